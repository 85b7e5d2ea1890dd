"""From the shards of a corpus to batches for pre-training: pairs and masks drawn anew each epoch, in the graph."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfbert.data.masking import Masking
from tfbert.data.pipeline_options import NUM_THREADS, pipeline_options
from tfbert.data.records import Corpus
from tfbert.data.sentence_pairs import OpenShards, SentencePairs
from tfbert.errors import InputError

_INT32_BYTES = 4


class _Opening(NamedTuple):
    """Shards that are open together in one epoch, and which of their batches are read."""

    epoch: int
    number: int
    shards: np.ndarray
    num_batches: int
    first_batch: int
    end_batch: int
    stride: int


@dataclasses.dataclass(frozen=True, eq=False)
class PretrainingInputs:
    """Batches of a corpus, a pure function of (seed, epoch): whatever reads them, and wherever it starts.

    The shards are permuted by (seed, epoch) and opened a few at a time. The rows of the open shards are shuffled,
    sorted by length (rows of about the same length stay shuffled), cut into batches of `batch_size`, the last one
    shorter, and the batches shuffled. Each planned row occurs once an epoch. What is drawn for a row, its label, split
    and masks, is a function of (seed, epoch, number of the row in the corpus); the text that replaces its second half
    is drawn from the shards that are open with it.

    Elements are dicts of `token_ids`, `segment_ids`, `padding_mask`, int32 (batch, length); `mask_positions`,
    `mask_ids` int32 and `mask_weights` float32 (batch, slots); and, unless the objective is "none",
    `next_sentence_labels` int32 (batch,); where it is `numbered`, `row_numbers` int64 (batch,), of the planned rows in
    the corpus, the same in each epoch. The length is that of the longest row rounded up to 8; the slots are what
    `Masking.num_slots` says for it.

    Args:
        corpus: opened and verified.
        pairs: makes the rows; its `sequence_length` must be one that the corpus has rows for.
        masking: masks them.
        batch_size: rows in a global batch, over all replicas.
        split: "train" or "held_out".
        seed: fixes all.
        open_shards: how many shards are open at most, at least 2.
        numbered: see above.

    Raises:
        InputError: the split has no rows of that length, or a single document where the objective needs another.
    """

    corpus: Corpus
    pairs: SentencePairs
    masking: Masking
    batch_size: int
    split: str = "train"
    seed: int = 0
    open_shards: int = 4
    numbered: bool = False

    def __post_init__(self):
        if self.batch_size < 1 or self.open_shards < 2:
            raise InputError(
                "inputs need batch_size of at least 1 and open_shards of at least 2; received "
                f"batch_size={self.batch_size}, open_shards={self.open_shards}."
            )
        if not self.num_rows:
            raise InputError(
                f"{self.corpus.folder}: there are no rows of length {self.pairs.sequence_length} in {self.split!r}. "
                "Prepare more text, or a larger share of held-out documents."
            )
        documents = sum(shard.documents for shard in self._shards)
        if self.pairs.objective == "next_sentence" and documents < 2:
            raise InputError(
                f"{self.corpus.folder}: next-sentence prediction needs two documents or more, and {self.split!r} has "
                f"{documents}. Prepare more documents, or choose the objective sentence_order or none."
            )

    @property
    def _shards(self):
        # A shard without rows of this length has nothing to open it for.
        length = self.pairs.sequence_length
        return [shard for shard in self.corpus.shards[self.split] if shard.rows[length]]

    @property
    def num_rows(self) -> int:
        """Rows in an epoch."""
        return self.corpus.num_rows(self.split, self.pairs.sequence_length)

    @property
    def tokens_per_row(self) -> float:
        """Real tokens a row, special ones included, as the rows are planned."""
        length = str(self.pairs.sequence_length)
        return self.corpus.manifest[self.split]["row_tokens"][length] / self.num_rows

    def steps_in_epoch(self, epoch: int) -> int:
        """Return the number of batches of an epoch; it varies a little with what shards are open together."""
        return sum(opening.num_batches for opening in self._openings(epoch))

    def dataset(self, first_step: int, num_steps: int, stride: int = 1) -> tf.data.Dataset:
        """Return batches of `num_steps` steps, the first of them step `first_step` counted from the start of epoch 0.

        With a `stride` of n, every n-th of these alone, and no work is done for the others.
        """
        openings = list(self._openings_of_steps(first_step, num_steps, stride))
        shards, length = self._shards, self.pairs.sequence_length
        numbers_before = np.cumsum([0, *(shard.rows[length] for shard in shards)])
        tensors = ("token_ids", "sentence_starts", f"rows_{length}")
        of_shard = {
            "path": [str(shard.path) for shard in shards],
            "bytes": [shard.bytes for shard in shards],
            "places": [[shard.offsets[name] for name in tensors] for shard in shards],
            "documents": [shard.documents for shard in shards],
            "numbers_before": numbers_before[:-1],
        }
        descriptors = {
            name: tf.RaggedTensor.from_row_lengths(
                np.concatenate([np.asarray(values)[opening.shards] for opening in openings]),
                [len(opening.shards) for opening in openings],
            )
            for name, values in of_shard.items()
        }
        descriptors["keys"] = tf.constant(
            [[_key(self.seed, opening.epoch), _key(self.seed, opening.epoch, opening.number)] for opening in openings],
            tf.int64,
        )
        descriptors["batches"] = tf.constant([opening[-3:] for opening in openings], tf.int64)
        described = tf.data.Dataset.from_tensor_slices(descriptors).with_options(pipeline_options())
        batches = described.map(self._open).prefetch(1).flat_map(self._batches)
        return batches.apply(tf.data.experimental.assert_cardinality(-(-num_steps // stride))).prefetch(4)

    def _openings(self, epoch: int) -> Iterator[_Opening]:
        """Yield what is opened in an epoch, every batch of it read."""
        rows = np.array([shard.rows[self.pairs.sequence_length] for shard in self._shards])
        order = np.random.default_rng([self.seed, epoch]).permutation(len(rows))
        # Of nearly equal numbers, so that no shard is open alone.
        for number, shards in enumerate(np.array_split(order, -(-len(order) // self.open_shards))):
            num_batches = -(-int(rows[shards].sum()) // self.batch_size)
            yield _Opening(epoch, number, shards, num_batches, 0, num_batches, 1)

    def _openings_of_steps(self, first_step: int, num_steps: int, stride: int) -> Iterator[_Opening]:
        """Yield what is opened for these steps, and which batches of it they are."""
        step, end_step = 0, first_step + num_steps
        for epoch in itertools.count():
            for opening in self._openings(epoch):
                first, end = (min(max(each - step, 0), opening.num_batches) for each in (first_step, end_step))
                first += (first_step - step - first) % stride
                if first < end:
                    yield opening._replace(first_batch=first, end_batch=end, stride=stride)
                step += opening.num_batches
                if step >= end_step:
                    return

    # In the graph ------------------------------------------------------------------------------------------------

    @tf.autograph.experimental.do_not_convert
    def _open(self, descriptor):
        """Read the shards of a descriptor, put them end to end, and shuffle their rows."""
        tokens, sentences, rows = tf.map_fn(
            _read_shard,
            (descriptor["path"], descriptor["bytes"], descriptor["places"]),
            fn_output_signature=(
                tf.RaggedTensorSpec([None], tf.int32, 0),
                *[tf.RaggedTensorSpec([None], tf.int64, 0)] * 2,
            ),
        )
        rows_of_shard = rows.row_lengths() // 3
        numbers = tf.ragged.range(descriptor["numbers_before"], descriptor["numbers_before"] + rows_of_shard)
        shift = lambda counts: tf.repeat(tf.cumsum(counts, exclusive=True), rows_of_shard)  # noqa: E731
        sentences_before = shift(sentences.row_lengths())
        shards = OpenShards.make(
            tokens.flat_values,
            (sentences + tf.cumsum(tokens.row_lengths(), exclusive=True)[:, tf.newaxis]).flat_values,
            tf.reshape(rows.flat_values, [-1, 3])
            + tf.stack([shift(descriptor["documents"]), sentences_before, sentences_before], axis=1),
            numbers.flat_values,
            tf.constant([token.startswith("##") for token in self.pairs.vocabulary.tokens]),
            self.pairs.budget,
        )
        # Shuffled first and then sorted, so that rows of one length stay shuffled.
        shuffled = _permutation(tf.size(shards.groups), descriptor["keys"][1], 0)
        by_length = tf.gather(shuffled, tf.argsort(tf.gather(shards.groups // 2, shuffled), stable=True))
        num_batches = -(-tf.size(by_length) // self.batch_size)
        batches = _permutation(num_batches, descriptor["keys"][1], 1)
        first, end, stride = tf.unstack(descriptor["batches"])
        return {"shards": shards, "rows": by_length, "batches": batches[first:end:stride], "key": descriptor["keys"][0]}

    @tf.autograph.experimental.do_not_convert
    def _batches(self, opened):
        """Return the batches of what was opened."""
        sequence_length = self.pairs.sequence_length
        num_draws = [self.pairs.num_draws, self.masking.num_draws(sequence_length)]

        @tf.autograph.experimental.do_not_convert
        def make(batch):
            rows = opened["rows"][batch * self.batch_size : (batch + 1) * self.batch_size]
            numbers = tf.gather(opened["shards"].row_numbers, rows)
            draws = tf.map_fn(
                lambda number: tf.random.stateless_uniform(
                    [sum(num_draws)], tf.stack([opened["key"], number]), alg="philox"
                ),
                numbers,
                fn_output_signature=tf.float32,
            )
            pair_draws, mask_draws = tf.split(draws, num_draws, axis=1)
            made = self.masking(self.pairs(opened["shards"], tf.cast(rows, tf.int64), pair_draws), mask_draws)
            return {**made, "row_numbers": numbers} if self.numbered else made

        return tf.data.Dataset.from_tensor_slices(opened["batches"]).map(make, num_parallel_calls=NUM_THREADS)


def _read_shard(file):
    """Return the tokens int32, the sentence starts int64 and the rows int64, flat, of one shard."""
    path, size, places = file
    content = tf.io.read_file(path)
    whole = tf.debugging.Assert(
        tf.strings.length(content) == tf.cast(size, tf.int32),
        ["a shard has changed since the corpus was opened:", path, "has now bytes", tf.strings.length(content)],
    )
    with tf.control_dependencies([whole]):
        tensors = [
            tf.io.decode_raw(tf.strings.substr(content, first, _INT32_BYTES * count), tf.int32)
            for first, count in (tf.unstack(place) for place in tf.unstack(places, num=3))
        ]
    return tuple(tf.cast(tensor, dtype) for tensor, dtype in zip(tensors, (tf.int32, tf.int64, tf.int64), strict=True))


def _permutation(size, key, number: int):
    """Return 0 … size − 1 in an order that (key, number) fixes, int32."""
    seed = tf.stack([key, tf.constant(number, tf.int64)])
    return tf.argsort(tf.random.stateless_uniform([size], seed, dtype=tf.float64, alg="philox"), stable=True)


def _key(seed: int, *numbers: int) -> int:
    """Return a seed for TensorFlow's stateless random numbers, int64, that these numbers fix."""
    return int(np.random.SeedSequence([seed, *numbers]).generate_state(1, np.uint64)[0] >> np.uint64(1))
