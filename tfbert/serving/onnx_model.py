"""A classifier as an ONNX graph of its token ids, written node by node.

Every tensor bears the name that it has in Google's checkpoints. Query, key and value are products of their own, and
each step stands as the exports of other libraries have it, so that what optimises such graphs knows this one too.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfbert.checkpoints.model_tensors import model_places
from tfbert.models.classifier import BertClassifier
from tfbert.serving.text_signatures import INPUTS

OPSET = 20
"""Of the operators; the first that has GELU."""

_IR_VERSION = 9  # the one that came with this opset
_PADDING_ADDER = -1e30  # as in `SelfAttention`


def write_onnx(path: Path, classifier: BertClassifier, temperature: float) -> None:
    """Write `path`: `token_ids`, `segment_ids`, `padding_mask`, int32 (batch, length), to `probabilities`, float32.

    Args:
        path: the file.
        classifier: its weights are stored as float32.
        temperature: divides the logits.
    """
    import onnx

    model = _model(classifier, temperature)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def open_onnx(path: Path, num_threads: int) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
    """Return what gives the probabilities for inputs by name."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["probabilities"], {name: inputs[name] for name in INPUTS})[0]


class _Graph:
    """Nodes and tensors in the order in which they are added."""

    def __init__(self, tensors: Mapping[str, np.ndarray]):
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._tensors = tensors

    def tensor(self, name: str) -> str:
        """Add a tensor of the checkpoint."""
        return self._add(name, self._tensors[name])

    def constant(self, value, dtype=np.float32) -> str:
        """Add a number or a list of numbers."""
        return self._add(f"constant_{len(self.initializers)}", np.array(value, dtype))

    def node(self, kind: str, *inputs: str, name: str | None = None, **attributes) -> str:
        """Add a node; returns the name of its one output."""
        from onnx import helper

        output = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def dense(self, inputs: str, name: str) -> str:
        """Add x W + b."""
        product = self.node("MatMul", inputs, self.tensor(f"{name}/kernel"))
        return self.node("Add", product, self.tensor(f"{name}/bias"))

    def layer_norm(self, inputs: str, name: str, epsilon: float) -> str:
        """Add a layer norm over the last axis."""
        gamma, beta = self.tensor(f"{name}/gamma"), self.tensor(f"{name}/beta")
        return self.node("LayerNormalization", inputs, gamma, beta, axis=-1, epsilon=epsilon)

    def _add(self, name: str, value: np.ndarray) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(value, name))
        return name


def _model(classifier: BertClassifier, temperature: float):
    from onnx import TensorProto, helper

    config = classifier.encoder.config
    graph = _Graph({name: place.value() for name, place in model_places(classifier).items()})
    node, constant = graph.node, graph.constant

    def norm(inputs, name):
        return graph.layer_norm(inputs, f"{name}/LayerNorm", config.layer_norm_epsilon)

    # Embeddings.
    embeddings = "bert/embeddings"
    length = node("Shape", "token_ids", start=1, end=2)
    start, axis = constant([0], np.int64), constant([0], np.int64)
    positions = node("Slice", graph.tensor(f"{embeddings}/position_embeddings"), start, length, axis)
    words = node("Gather", graph.tensor(f"{embeddings}/word_embeddings"), "token_ids")
    segments = node("Gather", graph.tensor(f"{embeddings}/token_type_embeddings"), "segment_ids")
    hidden = norm(node("Add", node("Add", words, segments), positions), embeddings)

    # What is added to the scores, (batch, 1, 1, length).
    real = node("Unsqueeze", node("Unsqueeze", "padding_mask", constant([1], np.int64)), constant([2], np.int64))
    padding = node("Sub", constant(1), node("Cast", real, to=TensorProto.FLOAT))
    adder = node("Mul", padding, constant(_PADDING_ADDER))

    # Blocks.
    units = config.hidden_dim // config.num_heads
    by_head = constant([0, 0, config.num_heads, units], np.int64)
    joined = constant([0, 0, config.hidden_dim], np.int64)
    root = constant(math.sqrt(units))
    for index in range(config.num_layers):
        block = f"bert/encoder/layer_{index}"

        def heads(part, order, hidden=hidden, block=block):
            dense = graph.dense(hidden, f"{block}/attention/self/{part}")
            return node("Transpose", node("Reshape", dense, by_head), perm=order)

        query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
        scores = node("Add", node("Div", node("MatMul", query, key), root), adder)
        attended = node("MatMul", node("Softmax", scores, axis=-1), value)
        attended = node("Reshape", node("Transpose", attended, perm=[0, 2, 1, 3]), joined)
        attended = graph.dense(attended, f"{block}/attention/output/dense")
        hidden = norm(node("Add", attended, hidden), f"{block}/attention/output")
        between = _activation(graph, graph.dense(hidden, f"{block}/intermediate/dense"), config.activation)
        hidden = norm(node("Add", graph.dense(between, f"{block}/output/dense"), hidden), f"{block}/output")

    # Pooler and head.
    first = node("Gather", hidden, constant(0, np.int64), axis=1)
    pooled = node("Tanh", graph.dense(first, "bert/pooler/dense"))
    logits = node("Gemm", pooled, graph.tensor("output_weights"), graph.tensor("output_bias"), transB=1)
    node("Softmax", node("Div", logits, constant(temperature)), name="probabilities", axis=-1)

    takes = [helper.make_tensor_value_info(name, TensorProto.INT32, ["batch", "length"]) for name in INPUTS]
    gives = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(classifier.labels)])]
    return helper.make_model(
        helper.make_graph(graph.nodes, "bert_classifier", takes, gives, graph.initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="tfbert",
    )


def _activation(graph: _Graph, inputs: str, name: str) -> str:
    if name == "relu":
        return graph.node("Relu", inputs)
    return graph.node("Gelu", inputs, approximate="tanh" if name == "gelu_tanh" else "none")
