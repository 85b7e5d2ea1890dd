"""BERT's formulas in NumPy float64, written from the papers and not from our layers."""

import math

import numpy as np

erf = np.vectorize(math.erf)


def layer_norm(x, gamma, beta, epsilon):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def gelu_erf(x):
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    exponential = np.exp(x - x.max(-1, keepdims=True))
    return exponential / exponential.sum(-1, keepdims=True)


def self_attention(x, padding_mask, kernels, biases, num_heads):
    """Attend head by head and row by row; `kernels` and `biases` are those of query, key, value and output."""
    batch, length, hidden_dim = x.shape
    units = hidden_dim // num_heads
    query, key, value = (x @ kernel + bias for kernel, bias in zip(kernels[:3], biases[:3], strict=True))
    probabilities = np.zeros((batch, num_heads, length, length))
    attended = np.zeros_like(x)
    for row in range(batch):
        real = padding_mask[row].astype(bool)
        for head in range(num_heads):
            columns = slice(head * units, (head + 1) * units)
            scores = query[row][:, columns] @ key[row][:, columns].T / math.sqrt(units)
            probabilities[row, head][:, real] = softmax(scores[:, real])
            attended[row][:, columns] = probabilities[row, head] @ value[row][:, columns]
    return attended @ kernels[3] + biases[3], probabilities
