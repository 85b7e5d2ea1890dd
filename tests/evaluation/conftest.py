"""A made-up run to report: three seeds of a synthetic classifier, with hostile strings wherever a string can be."""

from dataclasses import replace

import numpy as np
import pytest

from tfbert.evaluation import (
    BaselineResult,
    ReviewReport,
    SeedResult,
    evaluate_classification,
    expected_calibration_error,
    majority_baseline,
    most_confident_mistakes,
    softmax,
)

NAMES = ("negative", "neutral", "positive")
NUM_ROWS = 300


def make_report(label_names=NAMES, signal=2.5, **changes) -> ReviewReport:
    """A report; `signal` is how well the made-up model knows the labels, `changes` replace fields."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, NUM_ROWS)
    results, before, after = [], np.zeros(0), np.zeros(0)
    for seed in (11, 12, 13):
        logits = generator.normal(size=(NUM_ROWS, 3)) + signal * np.eye(3)[labels]
        before, after = softmax(logits, 0.5), softmax(logits, 1.25)
        history = [
            {"step": 40 * epoch, "epoch": epoch, "loss": 1 / epoch, "accuracy": 0.3 + 0.1 * epoch}
            | {"val_loss": 1.1 / epoch, "val_accuracy": 0.28 + 0.1 * epoch}
            for epoch in (1, 2, 3)
        ]
        metrics = evaluate_classification(after, labels, label_names)
        errors = (expected_calibration_error(before, labels), expected_calibration_error(after, labels))
        results.append(SeedResult(seed, history, metrics, *errors, temperature=2.5))
    baselines = {
        "TF-IDF": BaselineResult.measure(
            softmax(np.eye(3)[labels] + generator.normal(size=(300, 3))), labels, label_names
        ),
        "the majority class": BaselineResult.measure(majority_baseline(labels, 3, NUM_ROWS), labels, label_names),
    }
    texts = [f"review {row} of the app" for row in range(NUM_ROWS)]
    report = ReviewReport(
        title="Reviews",
        model_name="BERT",
        settings={"learning_rate": 2e-5, "strategy": None, "freeze_embeddings": False},
        versions={"keras": "3.15"},
        audit={"duplicates": 7, "languages": {"en": 0.97}},
        class_counts={"training": {label_names[0]: 30, label_names[1]: 10}},
        seeds=results,
        baselines=baselines,
        shown_seed=13,
        probabilities_before=before,
        probabilities_after=after,
        labels=labels,
        mistakes=most_confident_mistakes(texts, after, labels, label_names, limit=5),
        token_lengths=generator.integers(3, 90, 1000),
        max_length=64,
        outputs={"SavedModel": "out/export/1"},
    )
    return replace(report, **changes)


@pytest.fixture(scope="session")
def report_maker():
    """`make_report`, as a fixture so that test modules need not import one another."""
    return make_report


@pytest.fixture(scope="session")
def report():
    """The plain made-up report."""
    return make_report()
