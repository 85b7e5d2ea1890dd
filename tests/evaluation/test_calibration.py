import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as scipy_softmax

from tfbert.errors import InputError
from tfbert.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
    softmax,
    temperature_warning,
)
from tfbert.evaluation.classification import wilson_interval


def sample(temperature, num_rows=500, seed=0):
    """Logits whose labels were drawn from softmax(logits / temperature)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2.5, (num_rows, 3))
    return logits, (logits / temperature + generator.gumbel(size=logits.shape)).argmax(axis=1)


def binary(confidences):
    return np.stack([confidences, 1 - np.asarray(confidences)], axis=1)


def test_the_error_agrees_with_a_loop_over_sorted_rows():
    logits, labels = sample(2.0, num_rows=503)
    probabilities = softmax(logits)
    rows = sorted(zip(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, strict=True))
    sizes = [51] * 3 + [50] * 7  # 503 rows in ten bins
    total, start = 0.0, 0
    for size in sizes:
        part = rows[start : start + size]
        total += abs(sum(confidence - right for confidence, right in part))
        start += size
    assert expected_calibration_error(probabilities, labels) == pytest.approx(total / 503, abs=1e-12)
    assert [one.count for one in reliability_bins(probabilities, labels)] == sizes


def test_hand_values():
    probabilities = binary([0.6, 0.7, 0.8, 0.9])
    labels = np.array([0, 1, 0, 0])  # right, wrong, right, right
    low, high = reliability_bins(probabilities, labels, num_bins=2)
    assert (low.confidence, low.accuracy, low.count) == (pytest.approx(0.65), 0.5, 2)
    assert (high.confidence, high.accuracy, high.count) == (pytest.approx(0.85), 1.0, 2)
    assert low.accuracy_interval == wilson_interval(1, 2)
    assert expected_calibration_error(probabilities, labels, num_bins=2) == pytest.approx(0.15)
    assert expected_calibration_error(probabilities, labels, num_bins=1) == pytest.approx(0.0)


def test_fewer_rows_than_bins_gives_each_row_its_own_bin():
    bins = reliability_bins(binary([0.6, 0.9]), np.array([0, 1]))
    assert [one.count for one in bins] == [1, 1]
    assert expected_calibration_error(binary([0.6, 0.9]), np.array([0, 1])) == pytest.approx((0.4 + 0.9) / 2)


def test_equal_confidences_share_their_accuracy():
    labels = np.repeat([0, 1], [70, 30])
    assert expected_calibration_error(binary(np.full(100, 0.7)), labels) == pytest.approx(0, abs=1e-12)


@given(
    st.lists(st.tuples(st.sampled_from([0.5, 0.6, 0.75, 1.0]), st.integers(0, 1)), min_size=1, max_size=40), st.data()
)
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_rows_does_not_matter(rows, data):
    confidences, labels = (np.array(column) for column in zip(*rows, strict=True))
    order = np.array(data.draw(st.permutations(range(len(rows)))))
    straight = expected_calibration_error(binary(confidences), labels)
    assert expected_calibration_error(binary(confidences[order]), labels[order]) == pytest.approx(straight, abs=1e-12)
    assert 0 <= straight <= 1


def test_no_bins_are_refused():
    with pytest.raises(InputError, match="num_bins must be at least 1; received 0"):
        reliability_bins(binary([0.6]), np.array([0]), num_bins=0)


def test_softmax_agrees_with_scipy_in_float64_and_does_not_overflow():
    logits = np.array([[5000.0, 4999.0, -5000.0], [0.1, 0.2, 0.3]], np.float32)
    found = softmax(logits, temperature=1.7)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, scipy_softmax(logits.astype(np.float64) / 1.7, axis=1), rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_softmax_refuses_a_temperature_that_is_none(temperature):
    with pytest.raises(InputError, match="finite number above 0"):
        softmax(np.zeros((1, 2)), temperature)


@pytest.mark.parametrize("true_temperature", [0.3, 1.0, 2.5, 6.0])
def test_the_temperature_is_the_minimum_that_scipy_finds(true_temperature):
    logits, labels = sample(true_temperature)

    def negative_log_likelihood(log_temperature):
        return -log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(labels)), labels].mean()

    bounds = (math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE))
    expected = minimize_scalar(negative_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    # scipy sees the likelihood only, flat to 1e-16 within about 1e-7 of the minimum
    assert fit_temperature(logits, labels) == pytest.approx(math.exp(expected.x), rel=1e-6)


def test_the_temperature_recovers_the_one_that_the_labels_were_drawn_with():
    logits, labels = sample(2.5, num_rows=20_000)
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.04)  # the standard error is about 0.025
    assert fit_temperature(3 * logits, labels) == pytest.approx(3 * fit_temperature(logits, labels), rel=1e-8)
    assert fit_temperature(logits + 7, labels) == pytest.approx(fit_temperature(logits, labels), rel=1e-8)


def test_the_closed_form_for_two_classes_of_one_margin():
    # Margin m, right in a share p of the rows: sigmoid(m / T) = p, so T = m / log(p / (1 - p)).
    logits = np.tile([2.0, 0.0], (10, 1))
    labels = np.array([0] * 8 + [1] * 2)
    assert fit_temperature(logits, labels) == pytest.approx(2 / math.log(4), rel=1e-8)


def test_calibration_gets_better_on_other_rows():
    fitted = fit_temperature(*sample(3.0, num_rows=20_000))
    logits, labels = sample(3.0, num_rows=20_000, seed=1)
    assert expected_calibration_error(softmax(logits), labels) > 0.15
    assert expected_calibration_error(softmax(logits, fitted), labels) < 0.02


@pytest.mark.parametrize("margin", [0.5, 2.0, 60.0])
def test_all_rows_right_stops_at_the_lower_bound_and_says_so(margin):
    fitted = fit_temperature(np.array([[margin, 0.0], [0.0, margin]]), np.array([0, 1]))
    assert fitted == MIN_TEMPERATURE
    assert "every validation row is classified correctly" in str(temperature_warning(fitted))


def test_all_rows_wrong_stops_at_the_upper_bound_and_says_so():
    fitted = fit_temperature(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([1, 0]))
    assert fitted == MAX_TEMPERATURE
    assert "no more than a uniform guess" in str(temperature_warning(fitted))


@pytest.mark.parametrize("logits", [np.zeros((2, 2)), np.full((2, 2), 0.1), np.diag([1e9, 1e9])])
def test_logits_that_no_temperature_changes_leave_it_at_one(logits):
    assert fit_temperature(logits, np.array([0, 1])) == 1.0
    assert temperature_warning(1.0) is None


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="logits must be finite; row 1"):
        fit_temperature(np.array([[0.0, 1.0], [np.inf, 0.0]]), np.array([0, 1]))
    with pytest.raises(InputError, match=r"logits must have the shape"):
        fit_temperature(np.zeros(3), np.array([0, 1, 2]))
