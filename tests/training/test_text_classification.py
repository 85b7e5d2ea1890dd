import dataclasses

import numpy as np
import pytest

from tfbert import BertTokenizer
from tfbert.data import load_reviews, sample_vocabulary
from tfbert.errors import InputError
from tfbert.training import pick_placement
from tfbert.training.text_classification import TextClassification


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(sample_vocabulary())


@pytest.fixture(scope="module")
def reviews():
    return load_reviews("sample")


def task(tokenizer, strategy="cpu", **options):
    options = {"max_length": 32, "epochs": 1, **options}
    return TextClassification(tokenizer, ("a", "b", "c"), "tiny", pick_placement(strategy, "float32"), **options)


def learned(task, reviews, folder, rows=64, seed=0):
    """The weights by path before and after one epoch over the first rows."""
    batches = task.rows(reviews.texts[:rows], reviews.labels[:rows])
    before = task.classifier(seed)
    after, history = task.train(seed, batches, batches, folder)
    return before, after, history


def test_rows_hold_the_tokens_without_padding(tokenizer, reviews):
    texts = ["good", *reviews.texts[:2000], "bad app"]
    batches = task(tokenizer).rows(texts, np.zeros(len(texts), int))
    assert batches.token_ids[0].tolist() == tokenizer.encode(["good"])["token_ids"].numpy()[0].tolist()
    assert batches.token_ids[-1].tolist() == tokenizer.encode(["bad app"])["token_ids"].numpy()[0].tolist()
    lengths = task(tokenizer).token_lengths(texts)
    np.testing.assert_array_equal(batches.lengths, np.minimum(lengths, 32))
    assert lengths.max() > 32


@pytest.mark.slow
def test_fewer_lengths_where_each_is_compiled(tokenizer):
    texts = [" ".join(["good"] * count) for count in range(1, 31)]

    def lengths(**options):
        rows = task(tokenizer, max_length=128, **options).rows(texts, np.zeros(30, int))
        return len(np.unique(rows.padded_lengths))

    assert (lengths(), lengths(jit_compile=True)) == (30, 16)


@pytest.mark.slow
def test_two_replicas_and_micro_batches_train_like_one(tokenizer, reviews, tmp_path):
    """The classifier itself, dropout off: 4 steps, class weights, layer-wise rates."""
    weights = []
    for name, options in {"one": {}, "two": {"strategy": "mirrored", "micro_batches": 2}}.items():
        configured = task(tokenizer, dropout_rate=0.0, balanced=True, layer_decay=0.9, **options)
        silent = _without_dropout(configured)
        weights.append(learned(silent, reviews, tmp_path / name)[1].get_weights())
    assert max(np.abs(a - b).max() for a, b in zip(*weights, strict=True)) < 1e-5


def _without_dropout(configured):
    class Silent(TextClassification):
        def classifier(self, seed):
            classifier = super().classifier(seed)
            for layer in classifier._flatten_layers():
                if type(layer).__name__ == "Dropout":
                    layer.rate = 0.0
            return classifier

    fields = [field.name for field in dataclasses.fields(TextClassification) if field.init]
    return Silent(**{name: getattr(configured, name) for name in fields})


@pytest.mark.slow
def test_frozen_parts_stay(tokenizer, reviews, tmp_path):
    before, after, _ = learned(task(tokenizer, freeze_embeddings=True, freeze_layers=1), reviews, tmp_path)
    moved = [
        any(np.abs(x.numpy() - y.numpy()).max() > 0 for x, y in zip(a, b, strict=True))
        for a, b in zip(before.depth_groups(), after.depth_groups(), strict=True)
    ]
    assert moved == [False, False, True, True]


def test_gradient_checkpointing_reaches_the_encoder(tokenizer, reviews, tmp_path):
    _, after, _ = learned(task(tokenizer, gradient_checkpointing=True), reviews, tmp_path, rows=16)
    assert after.encoder.gradient_checkpointing


@pytest.mark.slow
def test_layer_decay_slows_the_lower_layers(tokenizer, reviews, tmp_path):
    def movement(decay):
        configured = task(tokenizer, layer_decay=decay)
        before, after, _ = learned(configured, reviews, tmp_path / str(decay))
        return [
            float(np.mean([np.abs(x.numpy() - y.numpy()).mean() for x, y in zip(a, b, strict=True)]))
            for a, b in zip(before.depth_groups(), after.depth_groups(), strict=True)
        ]

    slow, even = movement(0.1), movement(1.0)
    ratios = [a / b for a, b in zip(slow, even, strict=True)]
    assert ratios[0] < 0.003 < ratios[1] < 0.1 < ratios[2] * 3 < ratios[3] * 3


def test_class_weights_balance(tokenizer):
    labels = np.array([0] * 6 + [1] * 3 + [2])
    weights = task(tokenizer, balanced=True)._weights(labels)
    assert [weights[labels == label].sum() for label in range(3)] == pytest.approx([10 / 3] * 3)
    assert task(tokenizer)._weights(labels) is None


@pytest.mark.slow
def test_seeds_fix_everything(tokenizer, reviews, tmp_path):
    runs = [
        learned(task(tokenizer), reviews, tmp_path / str(i), seed=seed)[1].get_weights()
        for i, seed in enumerate((1, 1, 2))
    ]
    assert all(np.array_equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    assert not np.array_equal(runs[0][0], runs[2][0])


def test_defaults_depend_on_where_the_encoder_comes_from(tokenizer):
    scratch = TextClassification(tokenizer, ("a", "b"), "tiny", pick_placement("cpu", "float32"))
    assert (scratch.num_epochs, scratch.peak_learning_rate) == (8, 5e-4)


def test_what_is_computed_is_said(tokenizer, reviews):
    configured = task(tokenizer, strategy="mirrored", micro_batches=2, batch_size=12, epochs=5)
    said = configured.describe(configured.rows(reviews.texts[:100], reviews.labels[:100]))
    assert "batch 3 x 2 replicas x 2 micro-batches = 12 reviews" in said
    assert "at most 5 epochs of 9 steps" in said
    assert f"{configured.classifier(0).count_params():,} parameters" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 10, "micro_batches": 4}, "received 10. Try 12"),
        ({"max_length": 513}, "512 positions; received 513"),
        ({"warmup_share": 1.0}, "warmup_share=1.0"),
        ({"layer_decay": 0.0}, "layer_decay=0.0"),
        ({"freeze_layers": 3}, "layers=3"),
    ],
)
def test_bad_settings(tokenizer, options, message):
    with pytest.raises(InputError, match=message):
        task(tokenizer, **options)
