import gzip

import pytest

from tfbert.data import documents
from tfbert.data.documents import DocumentFiles
from tfbert.errors import InputError


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_plain_text_has_a_blank_line_between_documents(tmp_path):
    path = write(tmp_path / "a.txt", "\n\nOne.\nStill one.\n \t\nTwo.\n\n\n\nThree.")
    assert list(DocumentFiles(path)) == [["One.\nStill one.\n"], ["Two.\n"], ["Three."]]


def test_one_document_a_line(tmp_path):
    path = write(tmp_path / "a.txt", "One.\n\n  Two. \nThree.")
    assert list(DocumentFiles(path, layout="line")) == [["One."], ["Two."], ["Three."]]


def test_the_columns_of_a_csv_are_paragraphs_of_one_document(tmp_path):
    rows = 'score,replyContent,content\n5,"Thanks,\nfriend",Good app\n4,,Fine\n3,  ,\n2,Sorry,\n'
    path = write(tmp_path / "a.csv", rows)
    assert list(DocumentFiles(path)) == [["Good app", "Thanks,\nfriend"], ["Fine"], ["Sorry"]]
    assert list(DocumentFiles(path, text_columns=["score"])) == [["5"], ["4"], ["3"], ["2"]]


def test_auto_goes_by_the_name_below_the_compression(tmp_path):
    write(tmp_path / "a.csv.gz", gzip.compress(b"content\nOne\nTwo\n"))
    write(tmp_path / "b.txt.gz", gzip.compress(b"Three\nfour\n"))
    found = DocumentFiles(str(tmp_path / "*.gz"), text_columns=["content"])
    assert list(found) == [["One"], ["Two"], ["Three\nfour\n"]]
    assert list(DocumentFiles(tmp_path / "a.csv.gz", layout="line")) == [["content"], ["One"], ["Two"]]


def test_sources_in_order_patterns_by_name_each_file_once(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b", "a", "c", "[x]", "deep/er/d"):
        write(tmp_path / f"{name}.txt", name)
    files = DocumentFiles([tmp_path / "c.txt", str(tmp_path / "*.txt"), str(tmp_path / "**" / "d.txt")])
    assert [document for [document] in files] == ["c", "[x]", "a", "b", "deep/er/d"]
    assert list(DocumentFiles(tmp_path / "[x].txt")) == [["[x]"]]
    assert list(files) == list(files)


def test_the_bundled_sample():
    found = list(DocumentFiles("sample"))
    assert len(found) == 2000
    assert found[0][1].startswith("Thanks for the stars!")


def test_the_share_read_grows_to_one(tmp_path):
    write(tmp_path / "a.txt", "one document\n\n" * 5000)
    write(tmp_path / "b.txt.gz", gzip.compress(b"another\n\n"))
    files = DocumentFiles(str(tmp_path / "*"))
    assert files.total_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    shares = [files.share_read for _ in files]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.2
    assert shares[2500] == pytest.approx(0.5, abs=0.1)
    assert files.share_read == 1.0


def test_fields_beyond_the_csv_modules_limit_are_read(tmp_path):
    long = "word " * 30_000
    assert list(DocumentFiles(write(tmp_path / "a.csv", f"content\n{long}\n"), text_columns=["content"])) == [[long]]


@pytest.mark.parametrize(
    ("sources", "options", "message"),
    [
        ("absent.txt", {}, r"absent\.txt: there is no such file"),
        ("*.md", {}, r"\*\.md: there is no such file, and no file fits it as a pattern"),
        ("", {}, "this is a folder"),
        (["a.txt", "absent.txt"], {}, "absent"),
        ([], {}, "at least one source"),
        ("a.txt", {"layout": "lines"}, "one of auto, blank_line, line, csv; received 'lines'"),
        ("a.csv", {}, r"a\.csv.*missing 'replyContent'; found 'content', 'b'"),
        ("page.txt", {}, r"page\.txt: the file is an HTML page"),
        ("page.csv", {}, r"page\.csv: the file is an HTML page"),
    ],
)
def test_wrong_sources_are_refused_at_once(tmp_path, sources, options, message):
    write(tmp_path / "a.txt", "One.")
    write(tmp_path / "a.csv", "content,b\n1,2\n")
    write(tmp_path / "page.txt", "<!doctype html>")
    write(tmp_path / "page.csv", "<html>")
    paths = [tmp_path / source for source in ([sources] if isinstance(sources, str) else sources)]
    with pytest.raises(InputError, match=message):
        DocumentFiles(paths, **options)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"fine\n\nfine\n\ncaf\xe9\n", r"a\.txt.*line 5 holds the byte 0xe9"),
        ("a.csv", b"content\nfine\ncaf\xe9\n", r"a\.csv.*line 3 holds the byte 0xe9"),
        ("a.csv", b"content\nfine\na,b\n", r"a\.csv.*starts on line 3 has 2"),
        ("a.csv", b'content\nfine\n"never closed\n', r"a\.csv.*line 3 do not balance"),
        ("a.txt", b"fine\n\nb\0d\n", r"a\.txt.*NUL.*line 3"),
    ],
)
def test_what_is_wrong_inside_is_named_with_its_line(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(InputError, match=message):
        list(DocumentFiles(path, text_columns=["content"]))


def test_a_document_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "LONGEST_LINE", 12)
    path = write(tmp_path / "a.txt", "12345\n12345\n\nfine\n\n12345\n12345\n7\n")
    files = DocumentFiles(path)
    with pytest.raises(InputError, match=r"starts on line 6 has more.*layout line"):
        list(files)
    csv = write(tmp_path / "a.csv", "content\nfine\n1234567890123\n")
    with pytest.raises(InputError, match=r"line 3 do not balance.*limit \(12\)"):
        list(DocumentFiles(csv, text_columns=["content"]))


def test_a_file_that_is_removed_before_its_turn_is_named(tmp_path):
    first, second = (write(tmp_path / name, "One.\n\nTwo.\n") for name in ("a.txt", "b.txt"))
    documents = iter(DocumentFiles([first, second]))
    assert next(documents) == ["One.\n"]
    first.unlink()
    assert next(documents) == ["Two.\n"]
    second.unlink()
    with pytest.raises(InputError, match=r"b\.txt: a file of documents must be there, .* bring it back, and run"):
        next(documents)
