import bz2
import gzip
import lzma

import pytest

from tfbert.data import text_files
from tfbert.data.text_files import plain_suffix, read_lines
from tfbert.errors import InputError


def read(path, content, **options):
    path.write_bytes(content)
    with open(path, "rb") as raw:
        return list(read_lines(path, raw, **options))


@pytest.mark.parametrize(
    ("suffix", "compress"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".XZ", lzma.compress)]
)
def test_lines_of_plain_and_compressed_files(tmp_path, suffix, compress):
    path = tmp_path / f"a.txt{suffix}"
    assert read(path, compress("\ufeffeins\r\nzwölf\r\n\nend".encode())) == ["eins\n", "zwölf\n", "\n", "end"]
    assert read(path, compress(b"one\r\ntwo"), newline="") == ["one\r\n", "two"]


def test_the_position_of_the_open_file_tells_how_far_it_was_read(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a line\n" * 100_000)
    with open(path, "rb") as raw:
        lines = read_lines(path, raw)
        for _ in range(50_000):
            next(lines)
        assert 0.45 < raw.tell() / 700_000 < 0.55
        assert sum(1 for _ in lines) == 50_000
        assert raw.tell() == 700_000


def test_a_suffix_without_compression():
    from pathlib import Path

    names = ("a.csv", "a.CSV.gz", "v1.2/a", "a.txt.xz", "b.gz")
    assert [plain_suffix(Path(name)) for name in names] == [".csv", ".csv", "", ".txt", ""]


BAD = {
    "encoding": (b"fine\nfine\ncaf\xe9\n", ["line 3", "0xe9", "UTF-8", "iconv -f WINDOWS-1252"]),
    "encoding far on": (b"fine\n" * 5000 + b"\xff", ["line 5001", "0xff"]),
    "NUL": (b"fine\nb\0d\n", ["NUL", "line 2"]),
    "HTML": (b"\xef\xbb\xbf\n <!DOCTYPE html><html>Quota", ["HTML page", "browser"]),
    "UTF-16": ("\ufeffhello".encode("utf-16-le"), ["UTF-16", "iconv -f UTF-16"]),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize(("suffix", "compress"), [("", bytes), (".gz", gzip.compress)])
def test_a_bad_file_is_refused_naming_file_line_and_remedy(tmp_path, case, suffix, compress):
    content, parts = BAD[case]
    path = tmp_path / f"a.txt{suffix}"
    with pytest.raises(InputError) as raised:
        read(path, compress(content))
    assert str(raised.value).startswith(str(path))
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
@pytest.mark.parametrize("damage", ["cut", "bytes", "another format"])
def test_a_damaged_compressed_file_is_refused(tmp_path, suffix, compress, damage):
    content = compress("".join(f"a line {i * i}\n" for i in range(20_000)).encode())
    half = len(content) // 2
    broken = {
        "cut": content[:half],
        "bytes": content[:half] + bytes(64) + content[half + 64 :],
        "another format": b"plain text\n",
    }
    with pytest.raises(InputError, match=rf"a\.txt\{suffix}: a \{suffix} file must be whole"):
        read(tmp_path / f"a.txt{suffix}", broken[damage])


def test_a_line_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "LONGEST_LINE", 9)
    assert read(tmp_path / "a.txt", b"12345678\n123456789") == ["12345678\n", "123456789"]
    with pytest.raises(InputError, match="line 2 has more"):
        read(tmp_path / "a.txt", b"12345678\n1234567890")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.symlink_to("/proc/self/mem")  # opens, and fails to read at offset 0, for root too
    with open(path, "rb") as raw, pytest.raises(InputError, match="cannot be read"):
        list(read_lines(path, raw))
