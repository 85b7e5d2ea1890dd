"""BertConfig: checks, JSON, and the keys of Google's and transformers' files."""

import dataclasses
import json

import pytest

from tfbert.config import BertConfig
from tfbert.errors import InputError

SIZES = {"vocabulary_size": 101, "hidden_dim": 24, "num_layers": 3, "num_heads": 4, "intermediate_dim": 52}
THEIR_SIZES = {
    "vocab_size": 101,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 52,
}
PUBLISHED = {
    "tiny": (2, 128, 2, 512),
    "mini": (4, 256, 4, 1024),
    "small": (4, 512, 8, 2048),
    "medium": (8, 512, 8, 2048),
    "base": (12, 768, 12, 3072),
    "large": (24, 1024, 16, 4096),
}


@pytest.mark.parametrize("size", PUBLISHED)
def test_published_sizes(size):
    config = BertConfig.from_size(size)
    assert (config.num_layers, config.hidden_dim, config.num_heads, config.intermediate_dim) == PUBLISHED[size]
    assert config.vocabulary_size == 30522


def test_size_overrides_and_unknown_size():
    config = BertConfig.from_size("mini", vocabulary_size=7, dropout_rate=0.0, num_layers=1)
    assert (config.vocabulary_size, config.dropout_rate, config.num_layers) == (7, 0.0, 1)
    with pytest.raises(InputError, match=r"'huge'.*tiny, mini"):
        BertConfig.from_size("huge")


def test_json_round_trip_of_every_field():
    changed = {
        **SIZES,
        "max_sequence_length": 33,
        "num_segments": 3,
        "activation": "relu",
        "layer_norm_epsilon": 1e-5,
        "dropout_rate": 0.25,
        "attention_dropout_rate": 0.5,
        "initializer_stddev": 0.5,
    }
    config = BertConfig(**changed)
    assert set(changed) == {field.name for field in dataclasses.fields(BertConfig)}
    assert config.to_dict() == changed
    assert BertConfig.from_json(config.to_json()) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.num_layers = 2


def test_all_mismatches_at_once():
    with pytest.raises(InputError) as caught:
        BertConfig(
            **{**SIZES, "hidden_dim": 25, "num_layers": 0},
            num_segments=-1,
            activation="gelu",
            layer_norm_epsilon=0.0,
            dropout_rate=1.0,
            attention_dropout_rate=-0.1,
            initializer_stddev=float("nan"),
        )
    for place in (
        "num_layers=0",
        "num_segments=-1",
        "hidden_dim=25 must be a multiple of num_heads=4",
        "activation='gelu'",
        "layer_norm_epsilon=0.0",
        "dropout_rate=1.0",
        "attention_dropout_rate=-0.1",
        "initializer_stddev=nan",
    ):
        assert place in str(caught.value)


def test_wrong_types():
    with pytest.raises(TypeError, match="num_layers='3' must be an integer; activation=None must be a string"):
        BertConfig(**{**SIZES, "num_layers": "3"}, activation=None)
    with pytest.raises(TypeError, match="num_heads=True"):
        BertConfig(**{**SIZES, "num_heads": True})
    with pytest.raises(TypeError, match=r"hidden_dim=24\.0"):
        BertConfig(**{**SIZES, "hidden_dim": 24.0})
    with pytest.raises(InputError, match="num_layers='3'"):  # the same in a file is the user's mistake
        BertConfig.from_dict({**SIZES, "num_layers": "3"})


def test_dict_with_missing_and_unknown_names():
    with pytest.raises(InputError, match="hidden_dim is missing; hidden_size is no field"):
        BertConfig.from_dict({**{k: v for k, v in SIZES.items() if k != "hidden_dim"}, "hidden_size": 24})


@pytest.mark.parametrize("text", ["{", "[]"])
def test_text_that_is_no_json_object(text):
    with pytest.raises(InputError, match="JSON"):
        BertConfig.from_json(text)


def test_google_keys():
    options = {
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.2,
        "attention_probs_dropout_prob": 0.3,
        "max_position_embeddings": 32,
        "type_vocab_size": 2,
        "initializer_range": 0.05,
    }
    assert BertConfig.from_google({**THEIR_SIZES, **options}) == BertConfig(
        **SIZES,
        max_sequence_length=32,
        num_segments=2,
        activation="gelu_tanh",
        layer_norm_epsilon=1e-12,
        dropout_rate=0.2,
        attention_dropout_rate=0.3,
        initializer_stddev=0.05,
    )


def test_google_defaults():
    assert BertConfig.from_google(THEIR_SIZES) == BertConfig(**SIZES, num_segments=16)
    assert BertConfig.from_google({**THEIR_SIZES, "hidden_act": "relu"}).activation == "relu"


def test_google_multilingual_file_has_keys_without_effect():
    extra = {
        "directionality": "bidi",
        "pooler_fc_size": 768,
        "pooler_num_attention_heads": 12,
        "pooler_num_fc_layers": 3,
        "pooler_size_per_head": 128,
        "pooler_type": "first_token_transform",
    }
    assert BertConfig.from_google({**THEIR_SIZES, **extra}) == BertConfig.from_google(THEIR_SIZES)


@pytest.mark.parametrize(
    ("key", "value"),
    [("hidden_act", "tanh"), ("hidden_act", None), ("pooler_type", "mean"), ("directionality", "uni"), ("epsilon", 1)],
)
def test_google_keys_refused(key, value):
    with pytest.raises(InputError, match=rf"bert_config.json .*{key}={value!r}"):
        BertConfig.from_google({**THEIR_SIZES, key: value})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("gelu", "gelu_erf"), ("gelu_new", "gelu_tanh"), ("gelu_pytorch_tanh", "gelu_tanh"), ("relu", "relu")],
)
def test_huggingface_activations(theirs, ours):
    assert BertConfig.from_huggingface({**THEIR_SIZES, "hidden_act": theirs}).activation == ours


def test_huggingface_keys():
    options = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.2,
        "attention_probs_dropout_prob": 0.3,
        "max_position_embeddings": 32,
        "type_vocab_size": 5,
        "initializer_range": 0.05,
        "layer_norm_eps": 1e-5,
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "id2label": {"0": "bad"},
        "use_cache": True,
    }
    assert BertConfig.from_huggingface({**THEIR_SIZES, **options}) == BertConfig(
        **SIZES,
        max_sequence_length=32,
        num_segments=5,
        activation="gelu_erf",
        layer_norm_epsilon=1e-5,
        dropout_rate=0.2,
        attention_dropout_rate=0.3,
        initializer_stddev=0.05,
    )
    assert BertConfig.from_huggingface(THEIR_SIZES) == BertConfig(**SIZES, activation="gelu_erf")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_type", "roberta"),
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("is_encoder_decoder", True),
        ("add_cross_attention", True),
        ("pruned_heads", {"0": [1]}),
        ("quantization_config", {"bits": 4}),
        ("embedding_size", 128),
        ("hidden_act", "silu"),
        ("hidden_act", ["gelu"]),
    ],
)
def test_huggingface_keys_refused(key, value):
    with pytest.raises(InputError, match=f"config.json .*{key}="):
        BertConfig.from_huggingface({**THEIR_SIZES, key: value})


@pytest.mark.parametrize("read", [BertConfig.from_google, BertConfig.from_huggingface])
def test_missing_keys_and_bad_values_are_listed(read):
    with pytest.raises(InputError, match="hidden_size is missing; num_hidden_layers is missing"):
        read({k: v for k, v in THEIR_SIZES.items() if k not in ("hidden_size", "num_hidden_layers")})
    with pytest.raises(InputError, match="num_layers='3'"):
        read({**THEIR_SIZES, "num_hidden_layers": "3"})


def test_golden_configs(golden):
    google = BertConfig.from_google(json.loads((golden / "google_checkpoint/bert_config.json").read_text()))
    theirs = BertConfig.from_huggingface(json.loads((golden / "huggingface_checkpoint/config.json").read_text()))
    assert dataclasses.replace(google, activation="gelu_erf") == theirs


@pytest.mark.parametrize("activation", ["gelu_tanh", "gelu_erf", "relu"])
def test_what_is_written_is_read_back(activation):
    config = BertConfig(11, 12, 2, 3, 7, 13, 4, activation, 1e-12, 0.25, 0.5, 0.125)
    assert BertConfig.from_huggingface(config.to_huggingface()) == config
    if activation == "gelu_erf":
        with pytest.raises(InputError, match="Google's code computes another encoder: activation='gelu_erf'"):
            config.to_google()
    else:
        assert BertConfig.from_google(config.to_google()) == config


def test_google_has_one_epsilon():
    config = BertConfig(11, 12, 2, 3, 7, layer_norm_epsilon=1e-6)
    assert BertConfig.from_huggingface(config.to_huggingface()).layer_norm_epsilon == 1e-6
    with pytest.raises(InputError, match="layer_norm_epsilon=1e-06, it is 1e-12 there"):
        config.to_google()
