"""The BERT encoder."""

from typing import Any

import keras
from keras import ops

from tfbert.config import BertConfig
from tfbert.errors import InputError
from tfbert.layers import Embeddings, EncoderBlock, Pooler
from tfbert.layers.embeddings import rows_at
from tfbert.layers.recomputation import recomputed
from tfbert.models.base import BertModel


@keras.saving.register_keras_serializable(package="tfbert")
class BertEncoder(BertModel):
    """Embeddings, L encoder blocks and the pooler (Devlin et al. 2019, section 3). Its weights exist once it is made.

    Args:
        config: the sizes and rates.
        return_hidden_states: also return the output of the embeddings and of each block.
        return_attention_scores: also return the attention probabilities of each block.
        **kwargs: Keras's own `name`, `dtype` (a dtype policy) and `trainable`.

    Inputs: a dict of `token_ids`, `segment_ids`, `padding_mask` (1 = real), each int32 `(batch, length)`; length is
    at most `config.max_sequence_length`, and token ids lie below `config.vocabulary_size` (see `Embeddings`).

    Outputs: a dict, in the compute dtype, of
        `sequence_output` `(batch, length, hidden)`, the output of the last block;
        `pooled_output` `(batch, hidden)`;
        `hidden_states`, L + 1 of `(batch, length, hidden)`, on request;
        `attention_scores`, L of float32 `(batch, heads, length, length)`, on request: the probabilities before dropout.

    The last block saves most of its work where few of its rows are wanted. Called with `output_positions`, int32
    `(batch, n)`, it computes these and the first, which the pooler sees: `sequence_output`, the last of `hidden_states`
    and the rows of the last `attention_scores` are those of the n positions, in their order. Called with
    `pooled_only=True` it computes the first alone, and `sequence_output` is left out.

    Attributes:
        gradient_checkpointing: False; set to True before training, each block but the last, whose rest is wanted at
            once, keeps its input alone for the backward pass and computes the rest once more there (Chen et al. 2016):
            the same gradients for a third more work and a fraction of the memory. It is no part of the saved model.

    Raises:
        TypeError: `config` is not a BertConfig.
        InputError: the static length of the inputs is above `config.max_sequence_length`.

    >>> encoder = BertEncoder(BertConfig.from_size("tiny", vocabulary_size=11))
    >>> ids = keras.ops.ones((2, 5), "int32")
    >>> outputs = encoder({"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ids})
    >>> outputs["sequence_output"].shape, outputs["pooled_output"].shape
    (TensorShape([2, 5, 128]), TensorShape([2, 128]))
    """

    def __init__(
        self,
        config: BertConfig,
        return_hidden_states: bool = False,
        return_attention_scores: bool = False,
        **kwargs,
    ):
        if not isinstance(config, BertConfig):
            raise TypeError(f"BertEncoder takes a BertConfig, received {type(config).__name__}.")
        super().__init__(**kwargs)
        self.config = config
        self.return_hidden_states = return_hidden_states
        self.return_attention_scores = return_attention_scores
        shared: dict[str, Any] = {"initializer_stddev": config.initializer_stddev, "dtype": self.dtype_policy}
        self.embeddings = Embeddings(
            config.vocabulary_size,
            config.hidden_dim,
            max_sequence_length=config.max_sequence_length,
            num_segments=config.num_segments,
            layer_norm_epsilon=config.layer_norm_epsilon,
            dropout_rate=config.dropout_rate,
            name="embeddings",
            **shared,
        )
        self.blocks = [
            EncoderBlock(
                config.hidden_dim,
                config.num_heads,
                intermediate_dim=config.intermediate_dim,
                activation=config.activation,
                layer_norm_epsilon=config.layer_norm_epsilon,
                dropout_rate=config.dropout_rate,
                attention_dropout_rate=config.attention_dropout_rate,
                name=f"block_{index}",
                **shared,
            )
            for index in range(config.num_layers)
        ]
        self.pooler = Pooler(config.hidden_dim, name="pooler", **shared)
        self.gradient_checkpointing = False
        self.build()

    def build(self, input_shape=None):
        """Create every weight; the constructor has done so."""
        if self.built:
            return
        self.embeddings.build((None, None), (None, None))
        for block in self.blocks:
            block.build((None, None, self.config.hidden_dim))
        self.pooler.build((None, None, self.config.hidden_dim))

    def call(self, inputs, training=None, pooled_only=False, output_positions=None):
        """Return the encoder's outputs."""
        some_rows = pooled_only or output_positions is not None
        hidden = self.embeddings(inputs["token_ids"], inputs["segment_ids"], training=training)
        hidden_states, attention_scores = [hidden], []
        for block in self.blocks:
            last = block is self.blocks[-1]
            call = recomputed(block) if self.gradient_checkpointing and training and not last else block
            hidden = call(
                hidden,
                padding_mask=inputs["padding_mask"],
                training=training,
                return_attention_scores=self.return_attention_scores,
                queries=_wanted_rows(hidden, output_positions) if last and some_rows else None,
            )
            if self.return_attention_scores:
                hidden, probabilities = hidden
                attention_scores.append(probabilities)
            hidden_states.append(hidden)
        pooled_output = self.pooler(hidden)
        if pooled_only:
            return {"pooled_output": pooled_output}
        if some_rows:
            # The first is the pooler's.
            hidden = hidden_states[-1] = hidden[:, 1:]
            attention_scores[-1:] = [probabilities[:, :, 1:] for probabilities in attention_scores[-1:]]
        outputs = {"sequence_output": hidden, "pooled_output": pooled_output}
        if self.return_hidden_states:
            outputs["hidden_states"] = hidden_states
        if self.return_attention_scores:
            outputs["attention_scores"] = attention_scores
        return outputs

    def depth_groups(self) -> list[list]:
        """Return the variables by depth: embeddings first, then each block, the pooler last."""
        layers: list[keras.layers.Layer] = [self.embeddings, *self.blocks, self.pooler]
        return [list(layer.variables) for layer in layers]

    def freeze(self, *, embeddings: bool = False, layers: int = 0) -> None:
        """Train all but the embeddings, where asked, and the lowest `layers` blocks; kept in a saved model.

        Call it before `compile`.
        """
        if not 0 <= layers <= self.config.num_layers:
            raise InputError(f"freeze: layers={layers} must lie between 0 and num_layers={self.config.num_layers}.")
        self.embeddings.trainable = not embeddings
        for index, block in enumerate(self.blocks):
            block.trainable = index >= layers

    def get_config(self):
        """Return the constructor's arguments, and which layers are frozen."""
        return {
            "config": self.config.to_dict(),
            "return_hidden_states": self.return_hidden_states,
            "return_attention_scores": self.return_attention_scores,
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "frozen": {
                "embeddings": not self.embeddings.trainable,
                "layers": sum(not block.trainable for block in self.blocks),
            },
        }

    @classmethod
    def from_config(cls, config):
        """Return the encoder that `get_config` describes."""
        config = dict(config)
        frozen = config.pop("frozen")
        encoder = cls(BertConfig.from_dict(config.pop("config")), **config)
        encoder.freeze(**frozen)
        return encoder


def _wanted_rows(hidden, positions):
    """Return the first row of each sequence, and those at `positions`, `(batch, n)` or None, after it."""
    first = hidden[:, :1]
    return first if positions is None else ops.concatenate([first, rows_at(hidden, positions)], axis=1)
