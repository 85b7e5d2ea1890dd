"""Folders written for transformers, opened by it unchanged. Needs torch and transformers: `tox -e transformers`."""

import json
import re

import keras
import numpy as np
import pytest

import tfbert
from tfbert.checkpoints import example_rows, load, load_encoder, load_tokenizer, save
from tfbert.data import sample_vocabulary
from tfbert.tokenization import BertTokenizer

torch = pytest.importorskip("torch", reason="runs in tox -e transformers")
transformers = pytest.importorskip("transformers", reason="runs in tox -e transformers")

NAMES = {"token_ids": "input_ids", "segment_ids": "token_type_ids", "padding_mask": "attention_mask"}


def make_model(kind, activation):
    keras.utils.set_random_seed(0)
    vocabulary_size = BertTokenizer(sample_vocabulary()).vocabulary_size
    config = tfbert.BertConfig(vocabulary_size, 24, 3, 4, 52, max_sequence_length=64, activation=activation)
    encoder = tfbert.BertEncoder(config)
    model = {
        "BertModel": lambda: encoder,
        "BertForPreTraining": lambda: tfbert.BertPretrainer(encoder),
        "BertForMaskedLM": lambda: tfbert.BertPretrainer(encoder, next_sentence=False),
        "BertForSequenceClassification": lambda: tfbert.BertClassifier(encoder, labels=("böse", "gut", "?")),
    }[kind]()
    for number, weight in enumerate(model.weights):
        weight.assign(np.random.default_rng(number).normal(0, 0.2, size=weight.shape))
    return model


def answers_of(theirs, rows):
    theirs.eval()
    with torch.no_grad():
        return theirs(**{NAMES[name]: torch.tensor(rows[name]).long() for name in NAMES})


def assert_close(theirs, ours, rows, *, tolerance=5e-6):
    theirs, ours = np.asarray(theirs), np.asarray(ours)
    real = rows["padding_mask"].astype(bool)
    if theirs.shape[:2] == real.shape:
        theirs, ours = theirs[real], ours[real]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("activation", ["gelu_tanh", "gelu_erf", "relu"])
@pytest.mark.parametrize(
    "kind", ["BertModel", "BertForPreTraining", "BertForMaskedLM", "BertForSequenceClassification"]
)
def test_the_classes_of_transformers_open_it(tmp_path, kind, activation):
    model = make_model(kind, activation)
    save(model, tmp_path / "it", format="huggingface", tokenizer=BertTokenizer(sample_vocabulary()))
    theirs, said = getattr(transformers, kind).from_pretrained(tmp_path / "it", output_loading_info=True)
    assert not said["missing_keys"]
    assert not said["mismatched_keys"]
    # A masked language model has no pooler there; ours is written nonetheless, so that nothing is lost.
    extra = {"bert.pooler.dense.bias", "bert.pooler.dense.weight"} if kind == "BertForMaskedLM" else set()
    assert set(said["unexpected_keys"]) == extra
    rows = example_rows(model)
    if "mask_positions" in rows:
        rows["mask_positions"] = np.tile(np.arange(rows["token_ids"].shape[1], dtype="int32"), (4, 1))
    ours, answers = model(rows), answers_of(theirs, rows)
    if kind == "BertModel":
        assert_close(answers.last_hidden_state, ours["sequence_output"], rows)
        assert_close(answers.pooler_output, ours["pooled_output"], rows)
    elif kind == "BertForSequenceClassification":
        assert_close(answers.logits, ours, rows)
        assert theirs.config.id2label == {0: "böse", 1: "gut", 2: "?"}
    else:
        logits = answers.prediction_logits if kind == "BertForPreTraining" else answers.logits
        assert_close(logits, ours["masked_lm_logits"], rows, tolerance=1e-5)
        if kind == "BertForPreTraining":
            assert_close(answers.seq_relationship_logits, ours["next_sentence_logits"], rows, tolerance=1e-5)


@pytest.mark.parametrize("shard", [None, "60KB"])
@pytest.mark.parametrize(
    "kind", ["BertModel", "BertForPreTraining", "BertForMaskedLM", "BertForSequenceClassification"]
)
def test_what_transformers_writes_is_read(tmp_path, kind, shard):
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=101,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=52,
        max_position_embeddings=32,
        hidden_act="gelu",
        initializer_range=0.2,
        id2label={0: "a", 1: "b", 2: "c"},
        label2id={"a": 0, "b": 1, "c": 2},
    )
    theirs = getattr(transformers, kind)(config)
    theirs.save_pretrained(tmp_path / "it", **({"max_shard_size": shard} if shard else {}))
    assert (tmp_path / "it/model.safetensors.index.json").exists() == (shard is not None)
    model = load(tmp_path / "it", allow_missing=kind == "BertForMaskedLM")
    rows = example_rows(model)
    if "mask_positions" in rows:
        rows["mask_positions"] = np.tile(np.arange(rows["token_ids"].shape[1], dtype="int32"), (4, 1))
    ours, answers = model(rows), answers_of(theirs, rows)
    if kind == "BertModel":
        assert_close(answers.last_hidden_state, ours["sequence_output"], rows)
    elif kind == "BertForSequenceClassification":
        assert model.labels == ("a", "b", "c")
        assert_close(answers.logits, ours, rows)
    else:
        logits = answers.prediction_logits if kind == "BertForPreTraining" else answers.logits
        assert_close(logits, ours["masked_lm_logits"], rows, tolerance=1e-5)


def test_the_real_weights(minilm, tmp_path):
    encoder = load_encoder(minilm)
    save(encoder, tmp_path / "it", format="huggingface", tokenizer=load_tokenizer(minilm))
    theirs = transformers.AutoModel.from_pretrained(tmp_path / "it")
    rows = example_rows(encoder)
    answers, ours = answers_of(theirs, rows), encoder(rows)
    assert_close(answers.last_hidden_state, ours["sequence_output"], rows)
    assert_close(answers.pooler_output, ours["pooled_output"], rows)


@pytest.mark.parametrize("lowercase", [True, False])
def test_tokenizer_ids(golden, minilm, tmp_path, lowercase):
    tokenizer = load_tokenizer(minilm) if lowercase else BertTokenizer(minilm / "vocab.txt", lowercase=False)
    save(load_encoder(minilm), tmp_path / "it", format="huggingface", tokenizer=tokenizer)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "it")
    texts = [entry["text"] for entry in json.loads((golden / "tokenizer.json").read_text(encoding="utf-8"))]
    texts += ["\uf8ff \u0378 🫨", "x" * 150, "a\u200db\u00adc\x85d\x00e\u2028f", "ÉCOLE ẞ İ", "日本語"]
    # What transformers cannot say: see `write_tokenizer`.
    texts = [text for text in texts if not re.search(r"\[(PAD|UNK|CLS|SEP|MASK)\]|Σ\b", text)]
    assert len(texts) > 340
    ids = [theirs(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert ids == tokenizer.tokenize(texts).to_list()
    assert theirs("a b", "c")["token_type_ids"] == [0, 0, 0, 0, 1, 1]
    assert theirs.model_max_length == 512


OTHERS: dict[str, dict] = {
    "one layer, one head, odd sizes": {"num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": 7},
    "a head a unit, one segment": {"num_attention_heads": 6, "type_vocab_size": 1, "max_position_embeddings": 5},
    "another epsilon": {"layer_norm_eps": 1e-3},
    "relu": {"hidden_act": "relu"},
    "gelu_new": {"hidden_act": "gelu_new"},
    "gelu_pytorch_tanh": {"hidden_act": "gelu_pytorch_tanh"},
}


@pytest.mark.parametrize("settings", OTHERS)
def test_other_sizes_and_activations_there_and_back(tmp_path, settings):
    torch.manual_seed(0)
    sizes: dict = {"vocab_size": 24, "hidden_size": 6, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 10, "max_position_embeddings": 11, "initializer_range": 0.5}
    theirs = transformers.BertForPreTraining(transformers.BertConfig(**sizes | OTHERS[settings]))
    theirs.save_pretrained(tmp_path / "theirs")
    model = load(tmp_path / "theirs")
    save(model, tmp_path / "ours", format="huggingface")
    back = transformers.BertForPreTraining.from_pretrained(tmp_path / "ours")
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in back.state_dict().items())
    rows = example_rows(model)
    rows["mask_positions"] = np.tile(np.arange(rows["token_ids"].shape[1], dtype="int32"), (4, 1))
    ours = model(rows)
    for each in (theirs, back):
        answers = answers_of(each, rows)
        assert_close(answers.prediction_logits, ours["masked_lm_logits"], rows, tolerance=1e-5)
        assert_close(answers.seq_relationship_logits, ours["next_sentence_logits"], rows, tolerance=1e-5)


def test_two_classes_that_nobody_named(tmp_path):
    config = transformers.BertConfig(vocab_size=24, hidden_size=6, num_attention_heads=2, num_hidden_layers=1)
    theirs = transformers.BertForSequenceClassification(config)
    theirs.save_pretrained(tmp_path / "it")
    assert "id2label" not in json.loads((tmp_path / "it/config.json").read_text())
    classifier = load(tmp_path / "it")
    assert classifier.labels == tuple(theirs.config.id2label.values())
    rows = example_rows(classifier)
    assert_close(answers_of(theirs, rows).logits, classifier(rows), rows)


def test_a_next_sentence_head_alone(tmp_path, capsys):
    config = transformers.BertConfig(vocab_size=24, hidden_size=6, num_attention_heads=2, num_hidden_layers=1)
    theirs = transformers.BertForNextSentencePrediction(config)
    theirs.save_pretrained(tmp_path / "it")
    model = load(tmp_path / "it", allow_missing=True)
    assert "cls.predictions.bias" in capsys.readouterr().out
    rows = example_rows(model)
    assert_close(answers_of(theirs, rows).logits, model(rows)["next_sentence_logits"], rows)
