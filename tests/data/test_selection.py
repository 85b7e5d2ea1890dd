import collections
import itertools

import pytest

from tfbert.data import Selection, normalized_text
from tfbert.errors import InputError

ENGLISH = "The app keeps my notes in order and it is not slow."
OTHER = "Nach dem Update geht nichts mehr, bitte in der nächsten Version beheben."
NOISE = "Call 0049 30 1234 567 and not 0049 30 7654 now"


def select(documents, **settings):
    selection = Selection(**settings)
    dropped = selection.nothing_dropped
    return list(selection.select(documents, dropped)), dict(dropped)


def test_nothing_is_left_out_by_default():
    documents = [[ENGLISH], [ENGLISH], [OTHER], [""], []]
    assert select(documents) == (documents, {})
    assert Selection().description == {}


def test_each_step_leaves_out_and_counts():
    documents = [["Good."], [OTHER], [ENGLISH], [NOISE], [ENGLISH.upper()], ["  Good. \n" + " " * 50]]
    assert select(documents, least_characters=6)[1] == {"short": 2}
    assert select(documents, language="en") == ([[ENGLISH], [NOISE], [ENGLISH.upper()]], {"language": 3})
    assert select(documents, quality=True)[1] == {"quality": 1}
    assert select(documents, deduplicate="exact") == (documents[:4], {"duplicate": 2})
    everything = {"least_characters": 6, "language": "en", "quality": True, "deduplicate": "near"}
    assert select(documents, **everything) == (
        [[ENGLISH]],
        {"short": 2, "language": 1, "quality": 1, "duplicate": 1},
    )
    assert Selection(**everything).description == everything


def test_of_equal_documents_the_first_is_kept_across_batches(monkeypatch):
    documents = [[f"{'Note' if number % 3 else 'NOTE'} {number * number % 97}!"] for number in range(500)]
    expected, seen = [], set()
    for [text] in documents:
        if normalized_text(text) not in seen:
            expected.append([text])
            seen.add(normalized_text(text))
    for characters in (1, 100, 1 << 18):
        monkeypatch.setattr("tfbert.data.selection._BATCH_CHARACTERS", characters)
        for deduplicate in ("exact", "near"):
            assert select(documents, deduplicate=deduplicate) == (expected, {"duplicate": 500 - len(expected)})


def test_a_chain_of_near_duplicates_keeps_its_first():
    """What is like a document that was left out is left out too, so that no order of looking can matter."""
    words = [f"word{number}" for number in range(400)]
    chain = [[" ".join(words[start : start + 300])] for start in range(0, 100, 4)]
    kept, dropped = select(chain, deduplicate="near")
    assert kept == chain[:1]
    assert dropped == {"duplicate": 24}
    assert len(select([chain[0], chain[-1]], deduplicate="near")[0]) == 2


def test_documents_are_read_as_they_are_asked_for():
    count = itertools.count()
    documents = ([f"Note number {number}. {ENGLISH}"] for number in count)
    chosen = Selection(deduplicate="near", language="en").select(documents, collections.Counter())
    for _ in range(10):
        next(chosen)
    assert next(count) < 5000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"least_characters": -1}, "least_characters must be 0 or more; received -1"),
        ({"language": "de"}, "language must be one that can be told, en; received 'de'"),
        ({"deduplicate": "fuzzy"}, "deduplicate must be one of none, exact, near; received 'fuzzy'"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Selection(**settings)
