import pytest

from tfbert.errors import InputError
from tfbert.tokenization.vocabulary import SPECIAL_TOKENS, Vocabulary

TOKENS = [*SPECIAL_TOKENS, "good", "##ness"]


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes):
        path = tmp_path / "vocab.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("content", ["\n".join(TOKENS), "\n".join(TOKENS) + "\n", "\r\n".join(TOKENS) + "\r\n"])
def test_the_line_number_is_the_id(write, content):
    vocabulary = Vocabulary.from_file(write(content))
    assert vocabulary.tokens == tuple(TOKENS)
    assert [vocabulary.token_to_id(token) for token in TOKENS] == list(range(7))
    assert [vocabulary.id_to_token(number) for number in range(7)] == TOKENS
    assert len(vocabulary) == 7


def test_special_ids_are_where_the_tokens_are():
    vocabulary = Vocabulary(["a", "[MASK]", "[CLS]", "[PAD]", "[UNK]", "[SEP]"])
    ids = (vocabulary.pad_id, vocabulary.unk_id, vocabulary.cls_id, vocabulary.sep_id, vocabulary.mask_id)
    assert ids == (3, 4, 2, 5, 1)
    assert vocabulary.token_to_id("no token") == 4


def test_only_a_newline_ends_a_line(write):
    vocabulary = Vocabulary.from_file(write("\n".join([*TOKENS, "\u2028", "last"])))
    assert vocabulary.token_to_id("last") == 8


def test_white_space_around_a_token_is_no_part_of_it(write):
    assert Vocabulary.from_file(write("\n".join(TOKENS).replace("good", " good\t"))).token_to_id("good") == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"[PAD]\n[UNK]\n\xff\xfe", "line 3, has the byte 0xff"),
        ("\n".join([*TOKENS, "good"]), "'good' in lines 6 and 8"),
        ("\n".join(TOKENS[:2] + TOKENS[3:4] + TOKENS[5:]), r"5 lines, lacks \[CLS\] \[MASK\]"),
        ("\n".join([*TOKENS, "", "more"]), "line 8, is blank"),
        ("<!DOCTYPE html>\n<html>", "line 1, has white space inside: '<!DOCTYPE html>'"),
        ("\n".join([*TOKENS, "x" * 201]), "line 8, has 201"),
    ],
)
def test_refuses(write, content, message):
    path = write(content)
    with pytest.raises(InputError, match=message) as error:
        Vocabulary.from_file(path)
    assert str(path) in str(error.value)


def test_longest_tokens_are_taken():
    assert len(Vocabulary([*TOKENS, "x" * 200, "##" + "x" * 200])) == 9


def test_refuses_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(InputError, match="must be a readable file"):
            Vocabulary.from_file(path)


@pytest.mark.parametrize("tokens", ["[PAD]", [*TOKENS, 3]])
def test_tokens_are_a_list_of_strings(tokens):
    with pytest.raises(TypeError, match="list of strings"):
        Vocabulary(tokens)


@pytest.mark.parametrize("token_id", [-1, 7])
def test_refuses_an_id_outside(token_id):
    with pytest.raises(InputError, match=rf"0 .. 6: got {token_id}"):
        Vocabulary(TOKENS).id_to_token(token_id)


def test_check_fits(write):
    path = write("\n".join(TOKENS))
    vocabulary = Vocabulary.from_file(path)
    vocabulary.check_fits(7)
    vocabulary.check_fits(8)
    with pytest.raises(InputError, match="has 7 tokens and vocabulary_size is 6") as error:
        vocabulary.check_fits(6)
    assert str(path) in str(error.value)
