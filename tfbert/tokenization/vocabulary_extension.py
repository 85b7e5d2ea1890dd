"""Adding a domain's own words and emoji to a vocabulary."""

import re
from collections import Counter
from dataclasses import dataclass

from tfbert.errors import InputError
from tfbert.tokenization.tokenizer import BertTokenizer
from tfbert.tokenization.vocabulary import MAX_WORD_CHARACTERS
from tfbert.tokenization.vocabulary_training import EMOJI, WordCounts, pieces_of

_UNUSED = re.compile(r"\[unused\d+\]")


@dataclass(frozen=True)
class VocabularyExtension:
    """A vocabulary with new tokens, and what each of them was before.

    Attributes:
        tokens: all tokens, in the order of their ids; those that were there keep theirs.
        pieces: by the id of each new token, the ids of its old pieces; [UNK] where it was unknown.
    """

    tokens: tuple[str, ...]
    pieces: dict[int, tuple[int, ...]]


def extend_vocabulary(
    tokenizer: BertTokenizer,
    words: WordCounts,
    *,
    max_new_tokens: int = 1000,
    word_min_count: int = 10,
    emoji_min_count: int = 2,
    reuse_unused: bool = False,
) -> VocabularyExtension:
    """Return the tokenizer's vocabulary with the emoji and the words of texts that it cuts up or does not know.

    First each emoji c that is no token, as c and as ##c, so that it is known wherever it stands. Then words with a
    letter, the most frequent first; words with an emoji are left to their parts.

    Args:
        tokenizer: with the vocabulary to extend.
        words: of the texts, counted in the tokenizer's case.
        max_new_tokens: the most tokens to add.
        word_min_count: a word is added where it occurs at least so often.
        emoji_min_count: the same for an emoji.
        reuse_unused: put new tokens in the place of `[unused0]` and the like, while there are any, and the rest at the
            end; otherwise all at the end.

    Raises:
        InputError: nothing is to be added, or the words were counted in the other case.
    """
    if words.lowercase != tokenizer.lowercase:
        raise InputError(
            f"Words counted with lowercase={words.lowercase} do not fit a tokenizer with "
            f"lowercase={tokenizer.lowercase}: count them anew."
        )
    known = {token: number for number, token in enumerate(tokenizer.vocabulary.tokens)}
    new: dict[str, tuple[int, ...]] = {}
    emoji: Counter[str] = Counter()
    for word, count in words.counts.items():
        for character in EMOJI.findall(word):
            emoji[character] += count
    for character, count in _most_frequent(emoji):
        if count < emoji_min_count:
            break
        for token in (character, f"##{character}"):
            if token not in known:
                # Inside a word, an emoji means what it means alone.
                new[token] = (known.get(character, tokenizer.unk_id),)
    frequent = [
        word
        for word, count in _most_frequent(words.counts)
        if count >= word_min_count
        and word not in known
        and len(word) <= MAX_WORD_CHARACTERS
        and not EMOJI.search(word)
        and any(character.isalpha() for character in word)
    ]
    new |= {word: tuple(ids) for word, ids in zip(frequent, pieces_of(frequent, tokenizer), strict=True)}
    if not new:
        raise InputError(
            f"The vocabulary has whole all words that occur at least {word_min_count} times and all emoji that occur "
            f"at least {emoji_min_count} times: nothing is to be added. Ask for rarer ones."
        )
    tokens = list(tokenizer.vocabulary.tokens)
    free = [number for number, token in enumerate(tokens) if reuse_unused and _UNUSED.fullmatch(token)]
    pieces = {}
    for token, ids in list(new.items())[:max_new_tokens]:
        if free:
            place = free.pop(0)
            tokens[place] = token
        else:
            place = len(tokens)
            tokens.append(token)
        pieces[place] = ids
    return VocabularyExtension(tuple(tokens), pieces)


def _most_frequent(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the counts, the largest first, and equal ones by name, so that the order is that of no set."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
