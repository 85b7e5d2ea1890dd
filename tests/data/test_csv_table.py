import csv

import pytest

from tfbert.data.csv_table import csv_rows, read_csv_table
from tfbert.errors import InputError


def write(tmp_path, content: bytes | str):
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def read(path, required=("text", "score")):
    return read_csv_table(path, required=required)


def test_reads_the_wanted_columns_and_the_lines_rows_start_on(tmp_path):
    path = write(tmp_path, 'name,score,text\nAnn,5,"two\nlines, a comma and a ""quote"""\n\nBob,1,plain\r\nCy,2,last')
    table = read(path)
    assert table.columns == {"text": ['two\nlines, a comma and a "quote"', "plain", "last"], "score": ["5", "1", "2"]}
    assert table.lines == [2, 5, 6]


def test_words_that_pandas_takes_for_missing_values_stay_words(tmp_path):
    words = ["None", "NA", "null", "nan", "N/A", "", "-"]
    path = write(tmp_path, "text,score\n" + "".join(f"{word},1\n" for word in words))
    assert read(path).columns["text"] == words


def test_characters_at_which_only_splitlines_cuts_stay_in_the_text(tmp_path):
    text = "a\u2028b\x0bc\x85d"
    assert read(write(tmp_path, f"text,score\n{text},1\n")).columns["text"] == [text]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    assert read(write(tmp_path, b"\xef\xbb\xbftext,score\nhi,3\n")).columns["text"] == ["hi"]


def test_optional_columns_are_read_where_they_are(tmp_path):
    path = write(tmp_path, "text,score,app\nhi,3,a\n")
    table = read_csv_table(path, required=("text",), optional=("reply", "app"))
    assert table.columns == {"text": ["hi"], "app": ["a"]}


ROW = "fine,3\n"
BAD_FILES = {
    "empty": ("", ["empty", "0 bytes"]),
    "white space": (" \n\n", ["empty", "3 bytes"]),
    "header only": ("text,score\n", ["header alone"]),
    "missing columns": ("review,stars\nhi,3\n", ["'text', 'score'", "found 'review', 'stars'", "text_column"]),
    "one missing column": ("text,stars\nhi,3\n", ["missing 'score'", "found 'text', 'stars'"]),
    "column twice": ("text,score,text\na,1,b\n", ["'text' stands 2 times"]),
    "semicolons": ("text;score\nhi;3\n", ["separated by commas"]),
    "long row": (f"text,score\n{ROW}{ROW}a, b,3\n", ["line 4", "has 3", "header, 2", "double quotes"]),
    "short row": (f"text,score\n{ROW}alone\n", ["line 3", "has 1"]),
    "unclosed quote": (f'text,score\n{ROW}"never closed,3\n{ROW}', ["quotes", "line 3"]),
    "text behind a quote": (f'text,score\n{ROW}"a" b,3\n', ["quotes", "line 3"]),
    "NUL": (b"text,score\nfine,3\nb\0d,3\n", ["NUL", "byte 19", "line 3"]),
    "UTF-16": ("\ufefftext,score\n".encode("utf-16-le"), ["UTF-16", "iconv -f UTF-16"]),
    "Windows encoding": (b"text,score\nfine,3\ncaf\xe9,3\n", ["byte 21", "line 3", "0xe9", "iconv -f WINDOWS-1252"]),
    "Windows encoding behind a mark": (b"\xef\xbb\xbftext,score\n\xe9,3\n", ["byte 14", "line 2"]),
    "HTML": ("\n <!DOCTYPE html><html><body>Quota exceeded</body></html>", ["HTML page", "browser"]),
    "HTML behind a mark": (b"\xef\xbb\xbf<HTML>", ["HTML page"]),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_naming_file_place_and_remedy(tmp_path, case):
    content, parts = BAD_FILES[case]
    path = write(tmp_path, content)
    with pytest.raises(InputError) as raised:
        read(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_an_unclosed_quote_in_a_large_file_is_found_at_its_row(tmp_path):
    path = write(tmp_path, f'text,score\n{ROW}"never closed,3\n' + ROW * (csv.field_size_limit() // len(ROW) + 1))
    with pytest.raises(InputError, match="line 3 do not balance"):
        read(path)


def test_a_first_row_that_is_no_header_is_not_printed(tmp_path):
    path = write(tmp_path, "Ann Example,https://example.com/ann.png,5,I like it\n")
    with pytest.raises(InputError, match="does not look like a header") as raised:
        read(path)
    assert "Ann" not in str(raised.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="this is a folder"):
        read(tmp_path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path, "text,score\n")
    path.unlink()
    path.symlink_to("/proc/self/mem")  # opens, and fails to read at offset 0, for root too
    with pytest.raises(InputError, match="cannot be read"):
        read(path)


def test_rows_are_read_as_they_are_asked_for_with_fields_as_large_as_allowed(tmp_path):
    limit = csv.field_size_limit()
    lines = iter(["text,score\n", "a,1\n", f"{'b' * (limit + 9)},2\n", f"{'c' * (limit + 10)},3\n"])
    names, rows = csv_rows(tmp_path, lines, required=("score", "text"), largest_field=limit + 9)
    assert (names, next(rows), next(lines)[:1]) == (["score", "text"], (2, ["1", "a"]), "b")
    with pytest.raises(InputError, match=r"line 3 do not balance \(field larger than field limit"):
        next(rows)
    assert csv.field_size_limit() == limit
