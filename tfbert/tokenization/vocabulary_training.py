"""Learning a WordPiece vocabulary from texts, cut into words as tfbert's tokenizer cuts them."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import tensorflow as tf

from tfbert.errors import InputError
from tfbert.tokenization.normalization import Normalizer, split_words
from tfbert.tokenization.tokenizer import BertTokenizer
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\u203c\u2049]")
"""One character of an emoji; joiners and variation selectors, which the tokenizer drops, are none."""

_TEXTS_AT_ONCE = 4096
_WORDS_AT_ONCE = 65536
_LONGEST_LEARNT_WORD = 50
_LEARNING_ROUNDS = 4
_SLACK = 1.05


@dataclass(frozen=True)
class WordCounts:
    """The words of texts, as the tokenizer cuts them before it cuts words into pieces.

    Attributes:
        counts: how often each word occurs.
        texts: number of texts.
        texts_with_emoji: number of texts with an emoji.
        lowercase: whether words are lower-cased and without accents.
    """

    counts: Counter[str]
    texts: int
    texts_with_emoji: int
    lowercase: bool


def count_words(texts: Iterable[str], *, lowercase: bool = True) -> WordCounts:
    """Count the words of texts, which are read once.

    Raises:
        InputError: there are no words in them.

    >>> count_words(["Good, good!"]).counts.most_common(1)
    [('good', 2)]
    """
    normalizer = Normalizer(lowercase)
    counts: Counter[bytes] = Counter()
    num_texts = num_with_emoji = 0
    for batch in _batches(texts, _TEXTS_AT_ONCE):
        words, _ = split_words(normalizer.normalize(tf.constant(batch)))
        counts.update(words.numpy().tolist())
        num_texts += len(batch)
        num_with_emoji += sum(EMOJI.search(text) is not None for text in batch)
    if not counts:
        raise InputError(
            f"A vocabulary is learnt from words, but {num_texts:,} texts hold none. Give texts with words."
        )
    return WordCounts(
        Counter({word.decode(): count for word, count in counts.items()}), num_texts, num_with_emoji, lowercase
    )


def learn_vocabulary(
    counts: Mapping[str, int], size: int, *, character_min_count: int = 5, emoji_min_count: int = 2
) -> list[str]:
    """Return the tokens of a WordPiece vocabulary (Wu et al. 2016, section 4.1), learnt top-down.

    The special tokens stand first. Then each kept character c, as c and as ##c, so that a word of kept characters is
    never unknown. Then the pieces that tensorflow-text's learner finds, the most frequent first: it starts from all
    substrings and keeps those that occur often enough where no longer kept piece holds them.

    Args:
        counts: how often each word occurs, as `count_words` cuts them.
        size: the number of tokens; fewer come out where the words have no more pieces to give.
        character_min_count: a character is kept where it occurs at least so often.
        emoji_min_count: the same for an emoji.

    Raises:
        InputError: `size` does not hold the special tokens and the kept characters; or no character is kept.
    """
    from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    kept = sorted(
        character
        for character, count in characters.items()
        if count >= (emoji_min_count if EMOJI.match(character) else character_min_count)
    )
    reserved = [*SPECIAL_TOKENS, *kept, *(f"##{character}" for character in kept)]
    if not kept or len(reserved) > size:
        raise InputError(
            f"A vocabulary of {size:,} tokens must hold {len(SPECIAL_TOKENS)} special tokens and two for each character"
            f", of which {len(kept):,} occur at least {character_min_count} times (emoji: {emoji_min_count}): "
            + (
                f"ask for at least {len(reserved):,} tokens, or for characters that occur more often."
                if kept
                else "give more text, or keep characters that occur less often."
            )
        )
    known = set(kept)
    words = [
        (word, count) for word, count in counts.items() if len(word) <= _LONGEST_LEARNT_WORD and known >= set(word)
    ]
    settings = learner.Params(
        upper_thresh=None,
        lower_thresh=None,
        num_iterations=_LEARNING_ROUNDS,
        max_input_tokens=-1,
        max_token_length=_LONGEST_LEARNT_WORD,
        max_unique_chars=len(kept),
        vocab_size=size,
        slack_ratio=0.0,
        include_joiner_token=True,
        joiner="##",
        reserved_tokens=reserved,
    )
    # The learner keeps pieces that occur at least `threshold` times. Its own search may end above or well below the
    # size; this one looks for the highest threshold that gives enough, and then drops the rarest. It halves in the
    # logarithm, since the number of pieces falls about as the threshold rises.
    low, high = 1, max((count for _, count in words), default=1)
    enough = None
    while low <= high:
        threshold = math.isqrt(low * high)
        found = learner.learn_with_thresh(words, threshold, settings)
        if len(found) < size:
            high = threshold - 1
        else:
            enough, low = found, threshold + 1
            if len(found) <= _SLACK * size:
                break
    return (enough or found)[:size]


@dataclass(frozen=True)
class VocabularyReport:
    """How a vocabulary serves the words of texts; shares are 0 to 1.

    Attributes:
        tokens: size of the vocabulary.
        texts: number of texts.
        texts_with_emoji: share of the texts that have an emoji.
        pieces_per_word: mean over all occurrences of words.
        unknown_words: share of the occurrences of words that become [UNK].
        emoji: number of emoji characters.
        unknown_emoji: share of the emoji characters that stand in a word that becomes [UNK].
    """

    tokens: int
    texts: int
    texts_with_emoji: float
    pieces_per_word: float
    unknown_words: float
    emoji: int
    unknown_emoji: float


def measure_vocabulary(words: WordCounts, tokenizer: BertTokenizer) -> VocabularyReport:
    """Measure how a tokenizer cuts the words of texts.

    Raises:
        InputError: the words were not counted in the tokenizer's case.
    """
    if words.lowercase != tokenizer.lowercase:
        raise InputError(
            f"Words counted with lowercase={words.lowercase} say nothing of a tokenizer with "
            f"lowercase={tokenizer.lowercase}: count them anew."
        )
    pieces = unknown = emoji = unknown_emoji = 0
    for (word, count), word_pieces in zip(words.counts.items(), pieces_of(words.counts, tokenizer), strict=True):
        is_unknown = tokenizer.unk_id in word_pieces
        word_emoji = count * len(EMOJI.findall(word))
        pieces += count * len(word_pieces)
        unknown += count * is_unknown
        emoji += word_emoji
        unknown_emoji += word_emoji * is_unknown
    total = words.counts.total()
    return VocabularyReport(
        tokens=tokenizer.vocabulary_size,
        texts=words.texts,
        texts_with_emoji=words.texts_with_emoji / words.texts,
        pieces_per_word=pieces / total,
        unknown_words=unknown / total,
        emoji=emoji,
        unknown_emoji=unknown_emoji / max(emoji, 1),
    )


def pieces_of(words: Iterable[str], tokenizer: BertTokenizer) -> Iterator[list[int]]:
    """Yield the ids of each word's pieces."""
    for batch in _batches(words, _WORDS_AT_ONCE):
        yield from tokenizer.tokenize(batch).to_list()


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, size)):
        yield batch
