"""The settings of a BERT encoder: checked, written as JSON, read from Google's and transformers' files."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tfbert.errors import InputError

ACTIVATIONS = ("gelu_tanh", "gelu_erf", "relu")

# Base and large: Devlin et al. 2019, section 3. The others: Turc et al. 2019, "Well-Read Students Learn Better".
_LAYERS_AND_HIDDEN = {
    "tiny": (2, 128),
    "mini": (4, 256),
    "small": (4, 512),
    "medium": (8, 512),
    "base": (12, 768),
    "large": (24, 1024),
}

PUBLISHED_SIZES = tuple(_LAYERS_AND_HIDDEN)

_TYPES: dict[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "an integer"),
    float: ((int, float), "a number"),
    str: ((str,), "a string"),
}

# Names in both kinds of file, and ours. The first five say what was trained, so they have no default.
_SIZES = {
    "vocab_size": "vocabulary_size",
    "hidden_size": "hidden_dim",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_dim",
}
_OPTIONS = {
    "max_position_embeddings": "max_sequence_length",
    "type_vocab_size": "num_segments",
    "hidden_dropout_prob": "dropout_rate",
    "attention_probs_dropout_prob": "attention_dropout_rate",
    "initializer_range": "initializer_stddev",
}

# Keys that change what is computed, and the values under which the encoder of the paper computes the same.
_GOOGLE_FIXED = {"directionality": ("bidi",), "pooler_type": ("first_token_transform",)}
_HUGGINGFACE_FIXED = {
    "model_type": ("bert",),
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "is_encoder_decoder": (False,),
    "add_cross_attention": (False,),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
    "embedding_size": (None,),
}
# Sizes that Google's multilingual files give for a pooler its code never built.
_GOOGLE_IGNORED = {
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
}


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """What fixes the numbers an encoder computes (Devlin et al. 2019, section 3, "Model Architecture").

    Args:
        vocabulary_size: tokens in the vocabulary, the rows of the word embedding table.
        hidden_dim: H of the paper, units of every hidden vector; a multiple of `num_heads`.
        num_layers: L of the paper, encoder blocks.
        num_heads: A of the paper, attention heads in each block.
        intermediate_dim: units of the feed-forward layer, 4H in the paper.
        max_sequence_length: rows of the learned position table, in tokens.
        num_segments: rows of the segment table; 2 for sentence A and B.
        activation: of the feed-forward layer and the masked-language-model head. `gelu_tanh` is what Google's code has
            computed under the name "gelu" since February 2019, `gelu_erf` is transformers' "gelu".
        layer_norm_epsilon: added to the variance, in float32.
        dropout_rate: of embeddings and of both sublayers' outputs, in [0, 1).
        attention_dropout_rate: of the attention probabilities, in [0, 1).
        initializer_stddev: of the truncated normal (cut at two deviations) that weights start from.

    Raises:
        TypeError: a field has the wrong Python type (all of them are named).
        InputError: a field is out of range (all of them are named).

    >>> BertConfig.from_size("mini", vocabulary_size=1000).hidden_dim
    256
    """

    vocabulary_size: int
    hidden_dim: int
    num_layers: int
    num_heads: int
    intermediate_dim: int
    max_sequence_length: int = 512
    num_segments: int = 2
    activation: str = "gelu_tanh"
    layer_norm_epsilon: float = 1e-12
    dropout_rate: float = 0.1
    attention_dropout_rate: float = 0.1
    initializer_stddev: float = 0.02

    def __post_init__(self) -> None:
        wrong_types = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            accepted, wanted = _TYPES[field.type]
            if not isinstance(value, accepted) or isinstance(value, bool):
                wrong_types.append(f"{field.name}={value!r} must be {wanted}")
        if wrong_types:
            raise TypeError(f"BertConfig: {'; '.join(wrong_types)}.")
        problems = [
            f"{name}={getattr(self, name)} must be at least 1"
            for name in (*_SIZES.values(), "max_sequence_length", "num_segments")
            if getattr(self, name) < 1
        ]
        if self.num_heads >= 1 and self.hidden_dim % self.num_heads:
            problems.append(f"hidden_dim={self.hidden_dim} must be a multiple of num_heads={self.num_heads}")
        if self.activation not in ACTIVATIONS:
            problems.append(f"activation={self.activation!r} must be one of {', '.join(ACTIVATIONS)}")
        for name in ("dropout_rate", "attention_dropout_rate"):
            if not 0 <= getattr(self, name) < 1:
                problems.append(f"{name}={getattr(self, name)} must be at least 0 and below 1")
        for name in ("layer_norm_epsilon", "initializer_stddev"):
            if not 0 < getattr(self, name) < 1:
                problems.append(f"{name}={getattr(self, name)} must be above 0 and below 1")
        if problems:
            raise InputError(f"BertConfig: {'; '.join(problems)}.")

    @classmethod
    def from_size(cls, size: str, vocabulary_size: int = 30522, **overrides: Any) -> "BertConfig":
        """Return a published size: tiny, mini, small, medium, base or large, with 64 units a head and 4H between."""
        if size not in _LAYERS_AND_HIDDEN:
            raise InputError(f"Unknown size {size!r}: choose one of {', '.join(_LAYERS_AND_HIDDEN)}.")
        num_layers, hidden_dim = _LAYERS_AND_HIDDEN[size]
        fields = {
            "hidden_dim": hidden_dim,
            "num_layers": num_layers,
            "num_heads": hidden_dim // 64,
            "intermediate_dim": 4 * hidden_dim,
        }
        return cls(vocabulary_size=vocabulary_size, **{**fields, **overrides})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "BertConfig":
        """Return the config with these fields; missing and unknown names are refused together."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        needed = {name for name, field in known.items() if field.default is dataclasses.MISSING}
        problems = [f"{name} is missing" for name in sorted(needed - set(fields))]
        problems += [f"{name} is no field of BertConfig" for name in sorted(set(fields) - set(known))]
        if problems:
            raise InputError(f"BertConfig: {'; '.join(problems)}.")
        try:
            return cls(**fields)
        except TypeError as error:
            raise InputError(str(error)) from error

    def to_json(self) -> str:
        """Return the fields as a JSON object."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "BertConfig":
        """Return the config that `to_json` wrote."""
        try:
            fields = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"BertConfig: the text is not JSON ({error}).") from error
        if not isinstance(fields, dict):
            raise InputError(f"BertConfig: the JSON must be an object, received {type(fields).__name__}.")
        return cls.from_dict(fields)

    @classmethod
    def from_google(cls, fields: Mapping[str, Any]) -> "BertConfig":
        """Read the keys of Google's `bert_config.json`.

        "gelu" is the tanh form there, the layer-norm epsilon is fixed at 1e-12, and `type_vocab_size` is 16 where the
        file leaves it out, as in Google's code. Unknown keys are refused.
        """
        known = {*_SIZES, *_OPTIONS, "hidden_act", *_GOOGLE_FIXED, *_GOOGLE_IGNORED}
        unknown = [f"{name}={fields[name]!r} is not a key of bert_config.json" for name in fields if name not in known]
        activations = {"gelu": "gelu_tanh", "relu": "relu"}
        return cls._read({"type_vocab_size": 16, **fields}, "bert_config.json", activations, _GOOGLE_FIXED, unknown)

    def to_google(self) -> dict[str, Any]:
        """Return the keys of Google's `bert_config.json`.

        Raises:
            InputError: Google's code cannot compute this: its gelu is the tanh form, its layer-norm epsilon 1e-12.
        """
        problems = []
        if self.activation not in ("gelu_tanh", "relu"):
            problems.append(f"activation={self.activation!r}, only 'gelu_tanh' and 'relu' are known there")
        if self.layer_norm_epsilon != 1e-12:
            problems.append(f"layer_norm_epsilon={self.layer_norm_epsilon}, it is 1e-12 there")
        if problems:
            raise InputError(f"Google's code computes another encoder: {'; '.join(problems)}.")
        names = {**_SIZES, **_OPTIONS}
        return {theirs: getattr(self, ours) for theirs, ours in names.items()} | {
            "hidden_act": "gelu" if self.activation == "gelu_tanh" else "relu"
        }

    @classmethod
    def from_huggingface(cls, fields: Mapping[str, Any]) -> "BertConfig":
        """Read the keys of transformers' `config.json` of a BERT.

        "gelu" is the erf form there; "gelu_new" and "gelu_pytorch_tanh" are the tanh form. A key that would change the
        numbers is honoured or refused. Any other key is left aside, since transformers keeps whatever its users attach
        (label names, training notes) in the same object.
        """
        tanh_forms = dict.fromkeys(("gelu_new", "gelu_pytorch_tanh"), "gelu_tanh")
        activations = {"gelu": "gelu_erf", **tanh_forms, "relu": "relu"}
        options = {"layer_norm_eps": "layer_norm_epsilon"}
        return cls._read(fields, "config.json", activations, _HUGGINGFACE_FIXED, [], options)

    def to_huggingface(self) -> dict[str, Any]:
        """Return the keys of transformers' `config.json` that an encoder has."""
        names = {**_SIZES, **_OPTIONS, "layer_norm_eps": "layer_norm_epsilon"}
        activations = {"gelu_erf": "gelu", "gelu_tanh": "gelu_new", "relu": "relu"}
        return (
            {"model_type": "bert"}
            | {theirs: getattr(self, ours) for theirs, ours in names.items()}
            | {"hidden_act": activations[self.activation]}
        )

    @classmethod
    def _read(cls, fields, file_name, activations, fixed, problems, options=None) -> "BertConfig":
        problems = [*problems, *(f"{name} is missing" for name in _SIZES if name not in fields)]
        for name, accepted in fixed.items():
            if name in fields and fields[name] not in accepted:
                problems.append(f"{name}={fields[name]!r} is not supported, only {accepted[0]!r}")
        activation = fields.get("hidden_act", "gelu")
        if activation not in list(activations):  # a list, since a file may hold what cannot be hashed
            problems.append(f"hidden_act={activation!r} is not supported, only {', '.join(activations)}")
        if problems:
            raise InputError(f"{file_name} does not describe an encoder that tfbert can build: {'; '.join(problems)}.")
        names = {**_SIZES, **_OPTIONS, **(options or {})}
        ours = {ours: fields[theirs] for theirs, ours in names.items() if theirs in fields}
        try:
            return cls.from_dict({**ours, "activation": activations[activation]})
        except InputError as error:
            raise InputError(f"{file_name}: {error}") from error
