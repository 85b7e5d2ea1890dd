"""Two programs that answer token ids, compared by answers and by time."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from tfbert.serving.text_signatures import INPUTS
from tfbert.tokenization.tokenizer import BertTokenizer

Inputs = Mapping[str, np.ndarray]
Answers = Callable[[Inputs], np.ndarray]
"""Gives probabilities, float32 (batch, classes), for the encoder's inputs."""

ROWS_TOGETHER = 32
_ROUNDS = {1: 15, ROWS_TOGETHER: 5}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes:
        num_rows: rows that both answered.
        largest_difference: of two probabilities.
        same_labels: share of the rows with the same most probable class.
        milliseconds: by program, the median time for 1 row and for 32, of about the middle length.
        lengths: tokens of the one row, and of the longest of the 32.
    """

    num_rows: int
    largest_difference: float
    same_labels: float
    milliseconds: dict[str, tuple[float, float]]
    lengths: tuple[int, int]


def compare(programs: Mapping[str, Answers], tokenizer: BertTokenizer, texts: Sequence[str], max_length: int):
    """Return the `Comparison` of two programs on `texts`, sorted by length and computed 32 together.

    Times are taken in turns, so that whatever else the machine does meets both.
    """
    batches = list(_batches(tokenizer, texts, max_length))
    first, second = (np.concatenate([answers(batch) for batch in batches]) for answers in programs.values())
    middle = batches[len(batches) // 2]
    one = {name: rows[:1, : middle["padding_mask"][0].sum()] for name, rows in middle.items()}
    # As many rows as stated, where there are fewer too.
    many = {name: np.resize(rows, (ROWS_TOGETHER, rows.shape[1])) for name, rows in middle.items()}
    times = [_medians(programs, rows) for rows in (one, many)]
    return Comparison(
        num_rows=len(texts),
        largest_difference=float(np.abs(first - second).max()),
        same_labels=float(np.mean(first.argmax(axis=-1) == second.argmax(axis=-1))),
        milliseconds={name: (times[0][name], times[1][name]) for name in programs},
        lengths=(one["token_ids"].shape[1], many["token_ids"].shape[1]),
    )


def _batches(tokenizer, texts, max_length) -> Iterator[Inputs]:
    encoded = {name: ids.numpy() for name, ids in tokenizer.encode(list(texts), max_length=max_length).items()}
    lengths = encoded["padding_mask"].sum(axis=-1)
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), ROWS_TOGETHER):
        rows = order[start : start + ROWS_TOGETHER]
        yield {name: np.ascontiguousarray(encoded[name][rows, : lengths[rows].max()]) for name in INPUTS}


def _medians(programs: Mapping[str, Answers], inputs: Inputs) -> dict[str, float]:
    """Return milliseconds by program."""
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(1 + _ROUNDS[len(inputs["token_ids"])]):
        for name, answers in programs.items():
            start = time.perf_counter()
            answers(inputs)
            times[name].append(1000 * (time.perf_counter() - start))
    # The first round prepares memory.
    return {name: statistics.median(each[1:]) for name, each in times.items()}
