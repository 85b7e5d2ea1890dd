"""Made-up runs to report: three seeds of a synthetic classifier, and a pre-training; `page_parser` lies beside."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfbert.evaluation import (
    BaselineResult,
    Measured,
    PairAndMaskStatistics,
    PretrainingReport,
    ReviewReport,
    SeedResult,
    evaluate_classification,
    expected_calibration_error,
    majority_baseline,
    most_confident_mistakes,
    softmax,
)

sys.path.insert(0, str(Path(__file__).parent))

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


STATISTICS = PairAndMaskStatistics(
    num_rows=2000,
    num_tokens=151_220,
    masked=Measured(0.1561, 0.0002, 0.1561),
    became_mask=Measured(0.8012, 0.0026, 0.8),
    kept=Measured(0.0993, 0.0020, 0.1),
    became_random=Measured(0.0995, 0.0020, 0.1),
    unknown=Measured(0.0031, 0.0002),
    padding=Measured(0.4093, 0.0053),
    tokens_per_row=Measured(75.61, 0.68),
    not_next=Measured(0.4965, 0.0112, 0.5),
    first_tokens=(Measured(36.2, 0.5), Measured(35.9, 0.5)),
    second_tokens=(Measured(36.0, 0.5), Measured(37.1, 0.5)),
    length_balanced_accuracy=Measured(0.513, 0.011),
)


def make_pretraining_report(objective="next_sentence", **changes) -> PretrainingReport:
    """A healthy run of 2,000 steps with eleven records and four fillings; `changes` replace fields."""
    history: list[dict] = []
    for step in range(0, 2001, 200):
        learned = 1 - np.exp(-step / 700)
        record = {
            "step": step,
            "tokens": 2400 * step,
            "seconds": 0.45 * step + 2 * np.sin(step),
            "learning_rate": 1e-3 * min(step / 200, (2000 - step) / 1800),
            "val_masked_lm_loss": 8.4 - 3.1 * learned,
            "val_masked_lm_accuracy": 0.24 * learned,
            "val_masked_lm_perplexity": np.exp(8.4 - 3.1 * learned),
        }
        if objective != "none":
            record |= {
                "val_next_sentence_loss": 0.70 - 0.05 * learned,
                "val_next_sentence_accuracy": 0.5 + 0.1 * learned,
                "val_next_sentence_balanced_accuracy": 0.5 + 0.1 * learned,
            }
        if step:  # nothing is trained at step 0
            record |= {name[len("val_") :]: value * 0.99 for name, value in record.items() if name.startswith("val_")}
        history.append(record)
    top = [
        [["the", 0.06], ["i", 0.05], [".", 0.04]],
        [["good", 0.11], ["great", 0.09], ["love", 0.08]],
        [["love", 0.41], ["like", 0.22], ["hate", 0.09]],
        [["love", 0.63], ["like", 0.14], ["loved", 0.05]],
    ]
    samples = [
        {
            "step": step,
            "rows": [
                {
                    "pieces": ["i", "[MASK]", "this", "app", "##s", "!"],
                    "masks": [{"position": 1, "answer": "love", "top": guesses}],
                },
                {
                    "pieces": ["[CLS]", "it", "crash", "[MASK]", "[SEP]", "when", "i", "open", "[MASK]", "[SEP]"],
                    "masks": [
                        {"position": 3, "answer": "##es", "top": [["##es", 0.8], ["##ed", 0.1], ["##ing", 0.05]]},
                        {"position": 8, "answer": "it", "top": guesses},
                    ],
                },
            ],
        }
        for step, guesses in zip((0, 600, 1200, 2000), top, strict=True)
    ]
    report = PretrainingReport(
        title="Pre-training on reviews",
        model_name="BERT mini from scratch",
        objective=objective,
        total_steps=2000,
        history=history,
        samples=samples,
        statistics=STATISTICS,
        unigram_cross_entropy=6.21,
        majority_accuracy=0.051,
        held_out_label_counts=None if objective == "none" else (1010, 990),
        settings={"batch_size": 32, "learning_rate": 1e-3, "whole_words": False},
        versions={"keras": "3.15", "hardware": "2 cores"},
        outputs={"checkpoint": "runs/pretrain/checkpoint"},
        corpus={"documents": 5180, "sentences": 21_004, "tokens": 402_117},
    )
    return replace(report, **changes)


def make_ill_report(**changes) -> PretrainingReport:
    """A run with everything wrong that can be wrong together."""
    measured = {
        "padding": Measured(0.9, 0.01),
        "unknown": Measured(0.2, 0.01),
        "length_balanced_accuracy": Measured(0.8, 0.01),
    }
    report = make_pretraining_report(unigram_cross_entropy=5.0, non_finite_step=2001)
    last = {**report.last, "val_next_sentence_balanced_accuracy": 0.5, **changes}
    return replace(report, history=[*report.history[:-1], last], statistics=replace(STATISTICS, **measured))


@pytest.fixture(scope="session")
def ill_report_maker():
    """`make_ill_report`."""
    return make_ill_report


@pytest.fixture(scope="session")
def pretraining_report_maker():
    """`make_pretraining_report`, as a fixture so that test modules need not import one another."""
    return make_pretraining_report


@pytest.fixture(scope="session")
def pretraining_report():
    """The healthy run."""
    return make_pretraining_report()
