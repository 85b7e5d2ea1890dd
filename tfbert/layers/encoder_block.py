"""One block of the encoder: self-attention and feed-forward, each with its sum and layer norm."""

import keras

from tfbert.layers.arguments import check_rates, check_sizes
from tfbert.layers.dropout import Dropout
from tfbert.layers.feed_forward import FeedForward
from tfbert.layers.layer_norm import LayerNorm
from tfbert.layers.self_attention import SelfAttention, attention_output_spec


@keras.saving.register_keras_serializable(package="tfbert")
class EncoderBlock(keras.layers.Layer):
    """h = LN(x + dropout(attention(x))), y = LN(h + dropout(feed_forward(h)))  (Vaswani et al. 2017, section 3.1).

    The layer norm stands after the sum ("post-LN"), as in BERT; there is none after the last block.

    Args:
        hidden_dim: H, a multiple of `num_heads`.
        num_heads: A.
        intermediate_dim: units between the two products of the feed-forward layer.
        activation: "gelu_tanh", "gelu_erf" or "relu".
        layer_norm_epsilon: added to the variance.
        dropout_rate: of both sublayers' outputs, in [0, 1).
        attention_dropout_rate: of the attention probabilities, in [0, 1).
        initializer_stddev: of the truncated normal the kernels start from.

    Inputs, outputs, `return_attention_scores` and `queries` as in `SelfAttention`.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        *,
        intermediate_dim: int,
        activation: str = "gelu_tanh",
        layer_norm_epsilon: float = 1e-12,
        dropout_rate: float = 0.1,
        attention_dropout_rate: float = 0.1,
        initializer_stddev: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sizes("EncoderBlock", hidden_dim=hidden_dim, num_heads=num_heads, intermediate_dim=intermediate_dim)
        check_rates("EncoderBlock", dropout_rate=dropout_rate, attention_dropout_rate=attention_dropout_rate)
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.dropout_rate = dropout_rate
        self.attention_dropout_rate = attention_dropout_rate
        self.initializer_stddev = initializer_stddev

    def build(self, inputs_shape, padding_mask_shape=None):
        """Create the two sublayers, their layer norms and dropouts."""
        shared = {"initializer_stddev": self.initializer_stddev, "dtype": self.dtype_policy}
        self.attention = SelfAttention(
            self.hidden_dim,
            self.num_heads,
            attention_dropout_rate=self.attention_dropout_rate,
            name="attention",
            **shared,
        )
        self.feed_forward = FeedForward(
            self.intermediate_dim, self.hidden_dim, activation=self.activation, name="feed_forward", **shared
        )
        dtype, epsilon, rate = self.dtype_policy, self.layer_norm_epsilon, self.dropout_rate
        self.attention_dropout = Dropout(rate, dtype=dtype, name="attention_dropout")
        self.attention_layer_norm = LayerNorm(epsilon, dtype=dtype, name="attention_layer_norm")
        self.output_dropout = Dropout(rate, dtype=dtype, name="output_dropout")
        self.output_layer_norm = LayerNorm(epsilon, dtype=dtype, name="output_layer_norm")
        for layer in (
            self.attention,
            self.attention_dropout,
            self.attention_layer_norm,
            self.feed_forward,
            self.output_dropout,
            self.output_layer_norm,
        ):
            layer.build((None, None, self.hidden_dim))

    def call(self, inputs, padding_mask=None, training=None, return_attention_scores=False, queries=None):
        """Return the block's output, and the attention probabilities where asked."""
        attended = self.attention(
            inputs,
            padding_mask=padding_mask,
            training=training,
            return_attention_scores=return_attention_scores,
            queries=queries,
        )
        if return_attention_scores:
            attended, probabilities = attended
        asking = inputs if queries is None else queries
        attended = self.attention_layer_norm(asking + self.attention_dropout(attended, training=training))
        transformed = self.output_dropout(self.feed_forward(attended, training=training), training=training)
        outputs = self.output_layer_norm(attended + transformed)
        return (outputs, probabilities) if return_attention_scores else outputs

    def compute_output_shape(self, inputs_shape, padding_mask_shape=None):
        """Return the shape of the inputs."""
        return inputs_shape

    def compute_output_spec(
        self, inputs, padding_mask=None, training=None, return_attention_scores=False, queries=None
    ):
        """Return symbolic outputs, as many as `call` returns."""
        return attention_output_spec(self, inputs, return_attention_scores, queries)

    def get_config(self):
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "activation": self.activation,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "dropout_rate": self.dropout_rate,
            "attention_dropout_rate": self.attention_dropout_rate,
            "initializer_stddev": self.initializer_stddev,
        }
