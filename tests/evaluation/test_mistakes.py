import numpy as np
import pytest

from tfbert.errors import InputError
from tfbert.evaluation.mistakes import Mistake, most_confident_mistakes

PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.8, 0.2], [0.05, 0.95]])
LABELS = np.array([0, 0, 0, 1, 1])


def test_only_wrong_rows_the_surest_first_and_row_order_among_equals():
    assert most_confident_mistakes("abcde", PROBABILITIES, LABELS, ("bad", "good")) == (
        Mistake("b", "bad", "good", 0.8),
        Mistake("d", "good", "bad", 0.8),
        Mistake("c", "bad", "good", 0.7),
    )


def test_many_equals_keep_their_order():
    confidences = np.tile([0.8, 0.9], 50)
    probabilities = np.stack([1 - confidences, confidences], axis=1)
    found = most_confident_mistakes(
        [str(row) for row in range(100)], probabilities, np.zeros(100, int), "bg", limit=100
    )
    assert [int(one.text) for one in found] == [*range(1, 100, 2), *range(0, 100, 2)]


def test_the_limit():
    assert [one.text for one in most_confident_mistakes("abcde", PROBABILITIES, LABELS, "bg", limit=1)] == ["b"]


@pytest.mark.parametrize(("texts", "names"), [("abcd", "bg"), ("abcde", "bgx")])
def test_texts_or_names_that_do_not_fit_are_refused(texts, names):
    with pytest.raises(InputError, match=f"received {len(texts)} texts and {len(names)} names"):
        most_confident_mistakes(texts, PROBABILITIES, LABELS, names)
