"""Batches cut by length: rows of like length share a batch, padded to the nearest of a few lengths."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfbert.data.pipeline_options import pipeline_options
from tfbert.errors import InputError


def bucket_lengths(lengths: np.ndarray, num_buckets: int = 16) -> np.ndarray:
    """Choose the padded lengths that leave the least padding.

    Exact, by dynamic programming over the distinct lengths: every row is padded to the smallest chosen length that
    holds it, and the sum of padding over all rows is least among all choices of at most `num_buckets` lengths.

    Args:
        lengths: int (rows,), tokens a row.
        num_buckets: most lengths to choose, at least 1.

    Returns:
        int64 (buckets,), increasing; the last is the longest row's length.

    >>> bucket_lengths(np.array([3, 3, 4, 9, 10]), num_buckets=2)
    array([ 4, 10])
    """
    if len(lengths) == 0 or num_buckets < 1:
        raise InputError(
            f"buckets need at least one row and one bucket; received {len(lengths)} rows, {num_buckets} buckets."
        )
    sizes, counts = np.unique(np.asarray(lengths, np.int64), return_counts=True)
    rows_before = np.concatenate([[0], np.cumsum(counts)])
    # cost[j] is the number of padded tokens of the sizes before j; choice[k][j] where the last of k buckets starts.
    cost = np.where(np.arange(len(sizes) + 1) == 0, 0, np.inf)
    choice = []
    for _ in range(min(num_buckets, len(sizes))):
        extended = cost[None, :] + np.append(0, sizes)[:, None] * (rows_before[:, None] - rows_before[None, :])
        extended[np.triu_indices(len(sizes) + 1)] = np.inf
        choice.append(extended.argmin(axis=1))
        cost = extended.min(axis=1)
    chosen, end = [], len(sizes)
    for starts in reversed(choice):
        chosen.append(sizes[end - 1])
        end = starts[end]
    return np.array(chosen[::-1])


@dataclasses.dataclass(frozen=True, eq=False)
class LengthBatches:
    """Rows of token ids, cut into batches of like length.

    Training batches are a pure function of (seed, epoch): the rows are shuffled, sorted by bucket (rows of one bucket
    stay in shuffled order), cut into batches of exactly `batch_size` rows, the last one shorter, and the batches
    shuffled. Each row occurs once an epoch.

    Args:
        token_ids: one int32 array (tokens,) a row, special tokens included.
        labels: int32 (rows,).
        weights: float32 (rows,), the loss weight of each row; None for ones.
        batch_size: rows a global batch, over all replicas.
        num_buckets: number of padded lengths; default 64, which leaves 1.4 % of padding among reviews of a store. XLA
            compiles a step for each of them: fewer are better there.
        seed: fixes the batches of each epoch.

    Attributes:
        lengths, padded_lengths: tokens of each row, and the length of its bucket, int64 (rows,).

    Raises:
        InputError: if there are no rows, or the counts of rows, labels and weights differ.
    """

    token_ids: list[np.ndarray]
    labels: np.ndarray
    batch_size: int
    weights: np.ndarray | None = None
    num_buckets: int = 64
    seed: int = 0
    lengths: np.ndarray = dataclasses.field(init=False)
    padded_lengths: np.ndarray = dataclasses.field(init=False)

    def __post_init__(self):
        counts = [len(self.token_ids), len(self.labels), len(self.labels if self.weights is None else self.weights)]
        if len(set(counts)) > 1 or self.batch_size < 1:
            raise InputError(
                "batches need a label and a weight for every row, and batch_size of at least 1; received "
                f"{counts[0]} rows, {counts[1]} labels, {counts[2]} weights, batch_size={self.batch_size}."
            )
        lengths = np.array([len(ids) for ids in self.token_ids])
        buckets = bucket_lengths(lengths, self.num_buckets)
        object.__setattr__(self, "lengths", lengths)
        object.__setattr__(self, "padded_lengths", buckets[np.searchsorted(buckets, lengths)])

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch."""
        return -(-len(self.token_ids) // self.batch_size)

    @property
    def tokens_per_epoch(self) -> int:
        """Real tokens an epoch, without padding."""
        return int(self.lengths.sum())

    def epoch(self, epoch: int) -> list[np.ndarray]:
        """Return the row numbers of each training batch of epoch `epoch`, int64 (rows in the batch,)."""
        generator = np.random.default_rng([self.seed, epoch])
        rows = generator.permutation(len(self.token_ids))
        batches = self._cut(rows[np.argsort(self.padded_lengths[rows], kind="stable")])
        return [batches[i] for i in generator.permutation(len(batches))]

    def tokens_of_steps(self, epoch: int) -> list[int]:
        """Return the real tokens of each training batch of epoch `epoch`."""
        return [int(self.lengths[rows].sum()) for rows in self.epoch(epoch)]

    def padding_share(self, epoch: int = 0) -> float:
        """Return the share of padding among all positions of epoch `epoch`."""
        positions = sum(len(rows) * self.padded_lengths[rows].max() for rows in self.epoch(epoch))
        return 1 - self.tokens_per_epoch / positions

    def training_dataset(self, epochs: int, first_epoch: int = 0, first_step: int = 0) -> tf.data.Dataset:
        """Return the batches of epochs `first_epoch` to `epochs - 1`, the first `first_step` batches left out.

        Elements are `(inputs, labels, weights)`: the encoder's inputs, each int32 (batch, length), labels int32
        (batch,) and weights float32 (batch,).
        """
        batches = [rows for epoch in range(first_epoch, epochs) for rows in self.epoch(epoch)]
        return self._dataset(batches[first_step:])

    def evaluation_dataset(self) -> tf.data.Dataset:
        """Return every row once, in the order of `evaluation_order`, as `(inputs, labels, weights)`."""
        return self._dataset(self._cut(self.evaluation_order()))

    def evaluation_order(self) -> np.ndarray:
        """Return the row numbers in the order in which `evaluation_dataset` yields them, int64 (rows,)."""
        return np.argsort(self.lengths, kind="stable")

    def _cut(self, rows: np.ndarray) -> list[np.ndarray]:
        return np.split(rows, range(self.batch_size, len(rows), self.batch_size))

    def _dataset(self, batches: list[np.ndarray]) -> tf.data.Dataset:
        token_ids = tf.RaggedTensor.from_row_splits(
            np.concatenate(self.token_ids).astype(np.int32), np.concatenate([[0], np.cumsum(self.lengths)])
        )
        labels = tf.constant(self.labels, tf.int32)
        weights = tf.constant(np.ones(len(self.labels)) if self.weights is None else self.weights, tf.float32)
        rows = tf.RaggedTensor.from_row_lengths(np.concatenate(batches), [len(batch) for batch in batches])
        widths = tf.constant([self.padded_lengths[batch].max() for batch in batches], tf.int64)

        def assemble(step):
            batch = rows[step]
            ids = tf.gather(token_ids, batch)
            padded = ids.to_tensor(shape=tf.stack([-1, widths[step]]))
            inputs = {
                "token_ids": padded,
                "segment_ids": tf.zeros_like(padded),
                "padding_mask": tf.sequence_mask(ids.row_lengths(), widths[step], tf.int32),
            }
            return inputs, tf.gather(labels, batch), tf.gather(weights, batch)

        steps = tf.data.Dataset.range(len(batches)).with_options(pipeline_options())
        return steps.map(assemble, num_parallel_calls=2).prefetch(2)
