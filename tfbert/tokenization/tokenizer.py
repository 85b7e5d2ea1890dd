"""Google's uncased and cased BERT tokenizer, to the id, in core TensorFlow ops."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from tfbert.errors import InputError
from tfbert.tokenization import packing
from tfbert.tokenization.normalization import Normalizer, split_words
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS, Vocabulary
from tfbert.tokenization.wordpiece import Wordpiece

_TEXTS = tf.TensorSpec([None], tf.string)


class BertTokenizer(tf.Module):
    """Turn text into WordPiece ids exactly as google-research/bert's `FullTokenizer` does.

    The rules are those of "Input/Output Representations" (Devlin et al. 2019, section 3). It works eagerly, inside
    `tf.data` and inside a SavedModel, which needs no custom op; the vocabulary becomes the asset `vocab.txt` of a
    SavedModel whose module holds the tokenizer as an attribute. Texts are UTF-8 (bytes that are not are left out, as
    Google's does); "[SEP]" and the like in a text are ordinary characters.

    Args:
        vocabulary: the path of a vocabulary file (one token a line, the line number from 0 is the id), the list of its
            tokens, or a `Vocabulary`.
        lowercase: lower-case and remove accents ("uncased"). It must be as the model was trained.

    Raises:
        InputError: the vocabulary breaks a rule of `Vocabulary`.

    Example:
        >>> tokenizer = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "##ness", "!"])
        >>> tokenizer.tokenize(["Goodness!", "bad"]).to_list()
        [[5, 6, 7], [1]]
        >>> tokenizer.encode(["good"], ["!"])["token_ids"].numpy().tolist()
        [[2, 5, 3, 7, 3]]
    """

    def __init__(self, vocabulary: str | os.PathLike | Sequence[str] | Vocabulary, lowercase: bool = True):
        super().__init__()
        if isinstance(vocabulary, str | os.PathLike):
            vocabulary = Vocabulary.from_file(vocabulary)
        elif not isinstance(vocabulary, Vocabulary):
            vocabulary = Vocabulary(vocabulary)
        if not isinstance(lowercase, bool):
            raise TypeError(f"lowercase must be True or False: got {lowercase!r}")
        self.vocabulary = vocabulary
        self.lowercase = lowercase
        # The asset is a file of our own, so that a list of tokens has one too, its name is always the same, and the
        # user's file may change or go.
        folder = tempfile.mkdtemp(prefix="tfbert-vocabulary-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder, "vocab.txt")
        vocabulary.write(path)
        self._normalizer = Normalizer(lowercase)
        self._wordpiece = Wordpiece(
            str(path), max(len(token.encode()) for token in vocabulary.tokens), vocabulary.unk_id
        )
        hidden = set(SPECIAL_TOKENS) - {"[UNK]"}
        self._shown_tokens = tf.constant(["" if token in hidden else token for token in vocabulary.tokens])
        self._token_characters = tf.constant([len(token.removeprefix("##")) for token in vocabulary.tokens], tf.int64)

    @classmethod
    def from_folder(cls, path: str | os.PathLike) -> "BertTokenizer":
        """Return the tokenizer of a checkpoint folder, case as the folder says; see `checkpoints.load_tokenizer`."""
        from tfbert.checkpoints.tokenizers import load_tokenizer

        return load_tokenizer(Path(path))

    @property
    def vocabulary_size(self) -> int:
        """The number of tokens."""
        return len(self.vocabulary)

    @property
    def pad_id(self) -> int:
        """The id of [PAD]."""
        return self.vocabulary.pad_id

    @property
    def unk_id(self) -> int:
        """The id of [UNK]."""
        return self.vocabulary.unk_id

    @property
    def cls_id(self) -> int:
        """The id of [CLS]."""
        return self.vocabulary.cls_id

    @property
    def sep_id(self) -> int:
        """The id of [SEP]."""
        return self.vocabulary.sep_id

    @property
    def mask_id(self) -> int:
        """The id of [MASK]."""
        return self.vocabulary.mask_id

    def token_to_id(self, token: str) -> int:
        """Return the token's id, or that of [UNK] where it is not in the vocabulary."""
        return self.vocabulary.token_to_id(token)

    def id_to_token(self, token_id: int) -> str:
        """Return the token of an id."""
        return self.vocabulary.id_to_token(token_id)

    def get_config(self) -> dict:
        """Return the constructor's arguments, the vocabulary as the list of its tokens."""
        return {"vocabulary": list(self.vocabulary.tokens), "lowercase": self.lowercase}

    def tokenize(self, texts) -> tf.Tensor | tf.RaggedTensor:
        """Return the ids of the texts' pieces, without special tokens.

        Args:
            texts: string (batch,): a tensor, a NumPy array or a list; or one text.

        Returns:
            Ragged int32 (batch, pieces); for one text, int32 (pieces,).
        """
        texts = _as_texts(texts)
        piece_ids, splits = self._tokenize(tf.reshape(texts, [-1]))
        return _ragged(piece_ids, splits, texts)

    def tokenize_with_offsets(self, texts) -> tuple:
        """Return ids, starts and limits: each piece comes from the bytes `text[start:limit]`.

        The span goes from the first to the last character of the text that gave a character of the piece; an [UNK]
        covers its whole word. Texts and the shape of each of the three are as in `tokenize`.
        """
        texts = _as_texts(texts)
        piece_ids, starts, limits, splits = self._tokenize_with_offsets(tf.reshape(texts, [-1]))
        return tuple(_ragged(values, splits, texts) for values in (piece_ids, starts, limits))

    def encode(self, first, second=None, *, max_length: int = 128, pad_to: int | None = None) -> dict[str, tf.Tensor]:
        """Make the encoder's inputs, `[CLS] first [SEP]` or `[CLS] first [SEP] second [SEP]`.

        What is too long loses pieces at its end, one by one from the longer of the two texts (the second where they
        are equal), as in google-research/bert's `run_classifier.py`.

        Args:
            first: string (batch,), or one text, which is a batch of one.
            second: as many texts, or None.
            max_length: the most tokens in a row, the special ones included.
            pad_to: the length of the rows; without it they are as long as the longest in the batch.

        Returns:
            `token_ids`, `segment_ids` (1 for `second` and its [SEP], else 0) and `padding_mask` (1 = real), each int32
            (batch, length).

        Raises:
            InputError: `max_length` has no room for a piece of each text, `pad_to` is less than `max_length`, or the
                numbers of texts differ.
        """
        packing.check_lengths(max_length, pad_to, num_texts=1 if second is None else 2)
        rows = [tf.reshape(_as_texts(texts), [-1]) for texts in (first, second) if texts is not None]
        if len(rows) == 2:
            packing.check_paired(*rows)
        return packing.pack(
            [self._tokenize(texts) for texts in rows],
            cls_id=self.cls_id,
            sep_id=self.sep_id,
            pad_id=self.pad_id,
            max_length=max_length,
            pad_to=pad_to,
        )

    def detokenize(self, token_ids) -> tf.Tensor:
        """Join pieces to words and words by spaces, leaving special tokens but [UNK] out.

        Args:
            token_ids: int (batch, pieces), ragged or dense, or (pieces,) for one text.

        Returns:
            string (batch,), or one string.
        """
        token_ids = tf.ragged.constant(token_ids, tf.int32) if isinstance(token_ids, list | tuple) else token_ids
        words = tf.strings.reduce_join(tf.gather(self._shown_tokens, token_ids), axis=-1, separator=" ")
        words = tf.strings.regex_replace(words, " ##", "")
        return tf.strings.strip(tf.strings.regex_replace(words, " +", " "))

    @tf.function(input_signature=[_TEXTS], autograph=False)
    def _tokenize(self, texts):
        """Ids, int32 (pieces,), and where each text's begin, int64 (batch + 1,)."""
        words, word_splits = split_words(self._normalizer.normalize(texts))
        piece_ids, piece_splits = self._wordpiece.segment(words)
        return tf.cast(piece_ids, tf.int32), tf.gather(piece_splits, word_splits)

    @tf.function(input_signature=[_TEXTS], autograph=False)
    def _tokenize_with_offsets(self, texts):
        """Ids, starts and limits, each int32 (pieces,), and where each text's begin, int64 (batch + 1,)."""
        normalized = self._normalizer.normalize(texts)
        words, word_splits = split_words(normalized)
        piece_ids, piece_splits = self._wordpiece.segment(words)
        # The pieces, put end to end, are the characters of the normalized texts without the spaces.
        unknown = tf.where(tf.gather(piece_ids, piece_splits[:-1]) == self.unk_id)
        lengths = tf.tensor_scatter_nd_update(
            tf.gather(self._token_characters, piece_ids),
            tf.gather_nd(piece_splits, unknown)[:, tf.newaxis],
            tf.cast(tf.strings.length(tf.gather_nd(words, unknown), unit="UTF8_CHAR"), tf.int64),
        )
        starts, limits = normalized.spans(lengths)
        return tf.cast(piece_ids, tf.int32), starts, limits, tf.gather(piece_splits, word_splits)


def _as_texts(texts) -> tf.Tensor:
    """Make a string tensor of rank 0 or 1."""
    try:
        texts = tf.convert_to_tensor(texts, tf.string)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"texts must be strings, one or a list of them: got {type(texts).__name__} ({error}); "
            "replace missing values by empty strings first"
        ) from error
    if texts.shape.rank not in (0, 1):
        raise InputError(f"texts must have the shape () or (batch,): got {texts.shape}; flatten them first")
    return texts


def _ragged(values, splits, texts):
    if texts.shape.rank == 0:
        return values
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)
