"""Text in which the literal `[MASK]` stands for a masked token: made of ordinary text, and as the encoder's inputs."""

from collections.abc import Sequence

import tensorflow as tf

from tfbert.tokenization import packing
from tfbert.tokenization.tokenizer import BertTokenizer


def encode_masked(tokenizer: BertTokenizer, text: tf.Tensor, max_length: int) -> dict[str, tf.Tensor]:
    """Make `[CLS] text [SEP]` of string (batch,), with the id of [MASK] wherever a text has `[MASK]`.

    `BertTokenizer.encode` takes "[MASK]" for ordinary characters, as it must with text it did not make. Here each text
    is cut at it and its parts are tokenized one by one, so that what stands next to it begins, or ends, a word. Pieces
    beyond `max_length` go, masks too.

    Returns:
        `token_ids`, `segment_ids`, `padding_mask`, each int32 (batch, length).

    Example:
        >>> tokenizer = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "app"])
        >>> encode_masked(tokenizer, tf.constant(["good [MASK]", "app"]), max_length=9)["token_ids"].numpy().tolist()
        [[2, 5, 4, 3], [2, 6, 3, 0]]
    """
    packing.check_lengths(max_length, pad_to=None, num_texts=1)
    parts = tf.strings.split(text, "[MASK]")
    pieces = tokenizer.tokenize(parts.values)
    # A mask after every part but a text's last.
    limits, total = parts.row_limits(), tf.size(parts.values, tf.int64)
    counts = 1 - tf.scatter_nd(limits[:, tf.newaxis] - 1, tf.ones_like(limits), [total])
    masks = tf.RaggedTensor.from_row_lengths(tf.fill([tf.reduce_sum(counts)], tokenizer.mask_id), counts)
    joined = tf.concat([pieces, masks], axis=1)
    return packing.pack(
        [(joined.values, tf.gather(joined.row_splits, parts.row_splits))],
        cls_id=tokenizer.cls_id,
        sep_id=tokenizer.sep_id,
        pad_id=tokenizer.pad_id,
        max_length=max_length,
        pad_to=None,
    )


def with_one_mask(
    tokenizer: BertTokenizer, texts: Sequence[str], max_length: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Put `[MASK]` in the place of one word of each text; returns these texts and the tokens that are masked.

    The word is one token of the vocabulary, near the middle of a text's first words, so that it is not cut off. Texts
    without such a word, or with a `[MASK]` of their own, are left out.

    >>> tokenizer = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "app", "it"])
    >>> with_one_mask(tokenizer, ["A Good one", "none", "it is a good app"], max_length=9)
    (('A [MASK] one', 'it is a [MASK] app'), ('good', 'good'))
    """
    known = {*tokenizer.vocabulary.tokens}
    found = []
    for text in texts:
        words = text.split()
        # A word is rarely more than two tokens.
        tokens = [word.lower() if tokenizer.lowercase else word for word in words[: max_length // 2]]
        places = [place for place, token in enumerate(tokens) if token in known and token.isalnum()]
        if places and "[MASK]" not in text:
            place = places[len(places) // 2]
            found.append((" ".join([*words[:place], "[MASK]", *words[place + 1 :]]), tokens[place]))
    return tuple(text for text, _ in found), tuple(token for _, token in found)
