"""WordPiece vocabularies: a UTF-8 file with one token a line, where the line number, from 0, is the token's id."""

import os
from collections.abc import Sequence
from pathlib import Path

from tfbert.errors import InputError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_WORD_CHARACTERS = 200
"""Google's cap: a longer word becomes [UNK] without being looked at, so no token can be longer."""


class Vocabulary:
    """The tokens of a WordPiece vocabulary, checked.

    Args:
        tokens: the tokens in the order of their ids.
        source: what error messages call the vocabulary, such as its path.

    Raises:
        InputError: a special token is missing, a token occurs twice, is blank, holds white space or is too long.
        TypeError: `tokens` is one string, or holds something else than strings.

    Example:
        >>> vocabulary = Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good"])
        >>> len(vocabulary), vocabulary.token_to_id("good"), vocabulary.cls_id
        (6, 5, 2)
    """

    def __init__(self, tokens: Sequence[str], source: str = "the list of tokens"):
        if isinstance(tokens, str | bytes) or not all(isinstance(token, str) for token in tokens):
            raise TypeError("a vocabulary's tokens must be a list of strings")
        self.source = source
        self.tokens = tuple(tokens)
        self._ids = self._checked_ids()
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (
            self._ids[token] for token in SPECIAL_TOKENS
        )

    @classmethod
    def from_file(cls, path: str | os.PathLike) -> "Vocabulary":
        """Read a vocabulary file; white space around a token is no part of it.

        Raises:
            InputError: the file is missing, empty, not UTF-8, or its lines break a rule of the constructor.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise InputError(
                f"a vocabulary must be a readable file: {path}: {error.strerror}; give the path of a vocab.txt"
            ) from error
        if not content.strip():
            raise InputError(f"a vocabulary must hold one token a line: {path} is empty; give a vocab.txt with tokens")
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise InputError(
                f"a vocabulary must be UTF-8 text: {path}, line {line}, has the byte 0x{content[error.start]:02x}; "
                "give a vocab.txt, or convert the file to UTF-8"
            ) from error
        # Only "\n" ends a line: some vocabularies hold U+2028 and other characters at which splitlines() would cut.
        lines = text.removesuffix("\n").split("\n")
        # A token that is white space alone can never be matched, but it holds its id.
        return cls([line.strip() or line.rstrip("\r") for line in lines], source=str(path))

    def write(self, path: str | os.PathLike) -> None:
        """Write a file that `from_file` reads back."""
        Path(path).write_bytes("".join(f"{token}\n" for token in self.tokens).encode())

    def _checked_ids(self) -> dict[str, int]:
        ids: dict[str, int] = {}
        for number, token in enumerate(self.tokens, start=1):
            if token in ids:
                raise InputError(
                    f"each token must occur once: {self.source} has {token!r} in lines {ids[token] + 1} and {number}; "
                    "remove one (and shorten the embedding, or put another token there)"
                )
            if not token:
                raise InputError(f"each line must hold a token: {self.source}, line {number}, is blank; remove it")
            if "\n" in token or (len(token.split()) > 1):
                raise InputError(
                    f"a line must hold one token: {self.source}, line {number}, has white space inside: "
                    f"{token[:60]!r}; is this a vocabulary?"
                )
            if len(token.removeprefix("##")) > MAX_WORD_CHARACTERS:
                raise InputError(
                    f"a token has at most {MAX_WORD_CHARACTERS} characters: {self.source}, line {number}, has "
                    f"{len(token)}: {token[:60]!r}...; is this a vocabulary?"
                )
            ids[token] = number - 1
        missing = [token for token in SPECIAL_TOKENS if token not in ids]
        if missing:
            raise InputError(
                f"a vocabulary must hold {' '.join(SPECIAL_TOKENS)}: {self.source}, {len(self.tokens):,} lines, lacks "
                f"{' '.join(missing)}; give the vocab.txt of a BERT, or add the tokens"
            )
        return ids

    def __len__(self) -> int:
        return len(self.tokens)

    def token_to_id(self, token: str) -> int:
        """Return the token's id, or that of [UNK] where it is not in the vocabulary."""
        return self._ids.get(token, self.unk_id)

    def id_to_token(self, token_id: int) -> str:
        """Return the token of an id in 0 .. size - 1."""
        if not 0 <= token_id < len(self):
            raise InputError(f"a token id must be in 0 .. {len(self) - 1}: got {token_id}")
        return self.tokens[token_id]

    def check_fits(self, vocabulary_size: int) -> None:
        """Refuse a vocabulary with more tokens than the embedding has rows (fewer is fine: padded tables are common).

        Raises:
            InputError: a token's id would lie outside the embedding.
        """
        if len(self) > vocabulary_size:
            raise InputError(
                f"a vocabulary must not be larger than the embedding: {self.source} has {len(self):,} tokens and "
                f"vocabulary_size is {vocabulary_size:,}; give the vocabulary the model was made with, or set "
                f"vocabulary_size to {len(self):,}"
            )
