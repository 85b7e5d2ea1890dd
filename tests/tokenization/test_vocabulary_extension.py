import pytest

from tfbert.errors import InputError
from tfbert.tokenization import BertTokenizer, count_words, extend_vocabulary
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS

TOKENS = [*SPECIAL_TOKENS, "[unused0]", "app", "##s", "good", "[unused1]", "😀", "to", "##do"]
TEXTS = ["apps 🤖", "todo todo😀 🤖", "apps good apps 12", "todo zzz zzz zzz zzz", "app🤖"]


@pytest.fixture
def words():
    return count_words(TEXTS)


def test_emoji_and_words_with_their_old_pieces(words):
    extension = extend_vocabulary(BertTokenizer(TOKENS), words, word_min_count=2, emoji_min_count=1)
    assert extension.tokens[: len(TOKENS)] == tuple(TOKENS)
    new = {extension.tokens[number]: [TOKENS[piece] for piece in ids] for number, ids in extension.pieces.items()}
    assert list(new.items()) == [
        ("🤖", ["[UNK]"]),
        ("##🤖", ["[UNK]"]),
        ("##😀", ["😀"]),
        ("zzz", ["[UNK]"]),
        ("apps", ["app", "##s"]),
        ("todo", ["to", "##do"]),
    ]
    assert sorted(extension.pieces) == list(range(len(TOKENS), len(extension.tokens)))
    tokenizer = BertTokenizer(extension.tokens)
    assert tokenizer.tokenize(["todo🤖 apps"]).to_list() == [
        [tokenizer.token_to_id(token) for token in ("todo", "##🤖", "apps")]
    ]


def test_what_is_rare_or_too_much_is_left(words):
    tokenizer = BertTokenizer(TOKENS)
    extension = extend_vocabulary(tokenizer, words, word_min_count=4, emoji_min_count=3)
    assert extension.tokens[len(TOKENS) :] == ("🤖", "##🤖", "zzz")
    extension = extend_vocabulary(tokenizer, words, max_new_tokens=4, word_min_count=1, emoji_min_count=2)
    assert extension.tokens[len(TOKENS) :] == ("🤖", "##🤖", "zzz", "apps")


def test_unused_places_are_filled_first(words):
    extension = extend_vocabulary(BertTokenizer(TOKENS), words, word_min_count=4, emoji_min_count=3, reuse_unused=True)
    assert [extension.tokens[number] for number in (5, 9, len(TOKENS))] == ["🤖", "##🤖", "zzz"]
    assert list(extension.pieces) == [5, 9, len(TOKENS)]
    kept = [token for token in TOKENS if "unused" not in token]
    assert [token for token in extension.tokens if token in TOKENS] == kept


def test_what_cannot_be_extended(words):
    with pytest.raises(InputError, match="nothing is to be added"):
        extend_vocabulary(BertTokenizer(TOKENS), words, word_min_count=5, emoji_min_count=4)
    with pytest.raises(InputError, match="count them anew"):
        extend_vocabulary(BertTokenizer(TOKENS, lowercase=False), words)
