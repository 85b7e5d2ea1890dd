import json

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from tfbert.errors import InputError
from tfbert.evaluation.classification import Spread, evaluate_classification, summarize_seeds, wilson_interval

NAMES = ("negative", "neutral", "positive", "spam")


@pytest.fixture
def predictions():
    generator = np.random.default_rng(3)
    probabilities = generator.dirichlet(np.ones(4), 211)
    return probabilities, generator.integers(0, 4, 211)


def test_every_figure_agrees_with_scikit_learn(predictions):
    probabilities, labels = predictions
    found = evaluate_classification(probabilities, labels, NAMES)
    predicted = probabilities.argmax(axis=1)
    expected = sklearn_metrics.classification_report(labels, predicted, target_names=NAMES, output_dict=True)
    assert found.accuracy == pytest.approx(expected["accuracy"], abs=1e-12)
    assert found.macro_f1 == pytest.approx(expected["macro avg"]["f1-score"], abs=1e-12)
    assert found.log_loss == pytest.approx(sklearn_metrics.log_loss(labels, probabilities), abs=1e-12)
    np.testing.assert_array_equal(found.confusion_matrix, sklearn_metrics.confusion_matrix(labels, predicted))
    for name, one in found.per_class.items():
        assert (one.precision, one.recall, one.f1, one.support) == pytest.approx(
            [expected[name][key] for key in ("precision", "recall", "f1-score", "support")], abs=1e-12
        )


def test_a_class_never_predicted_or_without_rows_counts_as_zero():
    probabilities = np.array([[0.7, 0.2, 0.1, 0.0], [0.6, 0.3, 0.1, 0.0], [0.1, 0.2, 0.7, 0.0]])
    found = evaluate_classification(probabilities, np.array([0, 1, 0]), NAMES)
    rows = [(one.precision, one.recall, one.f1, one.support) for one in found.per_class.values()]
    assert rows == [(0.5, 0.5, 0.5, 2), (0, 0, 0, 1), (0, 0, 0, 0), (0, 0, 0, 0)]
    assert found.macro_f1 == 0.125
    assert found.confusion_matrix == ((1, 0, 1, 0), (1, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))


def test_a_probability_of_zero_leaves_the_log_loss_finite():
    found = evaluate_classification(np.array([[1.0, 0.0]]), np.array([1]), ("a", "b"))
    assert found.log_loss == pytest.approx(sklearn_metrics.log_loss([1], [[1.0, 0.0]], labels=[0, 1]))


def test_equal_probabilities_predict_the_first_class():
    assert evaluate_classification(np.full((1, 2), 0.5), np.array([0]), ("a", "b")).accuracy == 1


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (3, 10), (889, 1334), (5, 5)])
def test_the_wilson_interval_holds_the_proportions_that_a_z_test_would_not_refuse(successes, trials):
    from scipy.stats import binomtest

    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_accuracy_comes_with_its_wilson_interval(predictions):
    probabilities, labels = predictions
    found = evaluate_classification(probabilities, labels, NAMES)
    assert found.accuracy_interval == wilson_interval(round(found.accuracy * 211), 211)


def test_to_dict_goes_through_json(predictions):
    probabilities, labels = predictions
    found = evaluate_classification(probabilities, labels, NAMES).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["per_class"]["spam"]["support"] == int((labels == 3).sum())
    assert found["confusion_matrix"][0][0] > 0


@pytest.mark.parametrize(
    ("probabilities", "labels", "names", "message"),
    [
        (np.zeros((0, 2)), np.zeros(0, int), "ab", r"at least one row.*\(0, 2\)"),
        (np.ones((3, 1)), np.zeros(3, int), "a", r"two classes.*\(3, 1\)"),
        (np.full(4, 0.5), np.zeros(4, int), "ab", r"\(rows, classes\).*\(4,\)"),
        (np.full((3, 2), 0.5), np.zeros(2, int), "ab", r"shape \(3,\); received shape \(2,\)"),
        (np.full((3, 2), 0.5), np.zeros(3), "ab", "float64"),
        (np.full((3, 2), 0.5), np.array([0, 1, 2]), "ab", r"\[0, 1\]; row 2 holds 2"),
        (np.full((3, 2), 0.5), np.array([0, -1, 0]), "ab", "row 1 holds -1"),
        (np.array([[0.5, 0.5], [2.0, -1.0]]), np.zeros(2, int), "ab", "row 1.*softmax outputs"),
        (np.array([[np.nan, 0.5]]), np.zeros(1, int), "ab", "finite.*row 0"),
        (np.array([[0.5, 0.6]]), np.zeros(1, int), "ab", "sum to 1; row 0"),
        (np.full((3, 2), 0.5), np.zeros(3, int), "abc", "2 distinct names"),
        (np.full((3, 2), 0.5), np.zeros(3, int), "aa", "2 distinct names"),
    ],
)
def test_wrong_arrays_are_refused_with_the_place(probabilities, labels, names, message):
    with pytest.raises(InputError, match=message):
        evaluate_classification(probabilities, labels, tuple(names))


def test_rounded_bfloat16_probabilities_are_accepted():
    assert evaluate_classification(np.array([[0.6680, 0.3320 + 9e-4]]), np.array([0]), ("a", "b")).accuracy == 1


def test_the_spread_over_seeds_is_the_sample_standard_deviation(predictions):
    probabilities, labels = predictions
    seeds = [evaluate_classification(np.roll(probabilities, shift, axis=0), labels, NAMES) for shift in range(3)]
    summary = summarize_seeds(seeds)
    assert set(summary) == {"accuracy", "macro_f1", "log_loss"} | {f"f1[{name}]" for name in NAMES}
    values = [one.per_class["spam"].f1 for one in seeds]
    mean = sum(values) / 3
    assert summary["f1[spam]"].mean == pytest.approx(mean)
    deviation = (sum((value - mean) ** 2 for value in values) / 2) ** 0.5
    assert summary["f1[spam]"].standard_deviation == pytest.approx(deviation)
    assert summary["accuracy"].values == tuple(one.accuracy for one in seeds)


def test_one_seed_has_no_spread_and_none_is_refused(predictions):
    probabilities, labels = predictions
    one_seed = [evaluate_classification(probabilities, labels, NAMES)]
    assert summarize_seeds(one_seed)["accuracy"].standard_deviation is None
    with pytest.raises(InputError, match="at least one seed"):
        summarize_seeds([])
    with pytest.raises(InputError, match="at least one seed"):
        Spread.over([])


def test_seeds_of_other_rows_are_refused(predictions):
    probabilities, labels = predictions
    seeds = [evaluate_classification(probabilities[:rows], labels[:rows], NAMES) for rows in (200, 201)]
    with pytest.raises(InputError, match=r"200 rows.*201 rows"):
        summarize_seeds(seeds)
