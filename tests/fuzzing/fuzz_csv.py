"""Fuzz the reading of CSV files and of documents: any bytes are a table, documents, or an `InputError`."""

import bz2
import contextlib
import gzip
import lzma
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fuzzing

with fuzzing.instrumented() if __name__ == "__main__" else contextlib.nullcontext():
    from tfbert.data.csv_table import read_csv_table
    from tfbert.data.documents import DocumentFiles
    from tfbert.data.reviews import parse_mapping, read_reviews
    from tfbert.errors import InputError

_NAMES = ("a.csv", "a.csv", "a.csv", "a.txt", "a.csv.gz", "a.txt.bz2", "a.txt.xz")
_FOLDER = fuzzing.scratch_folder()
_MAPPING = parse_mapping("1-2=negative,3=neutral,4-5=positive")


def seeds() -> list[bytes]:
    table = (
        "content,score,replyContent,appId\r\n"
        '"Good, ""very"" good",5,,a\r\nBad!,1,"Sorry.\nReally.",b\r\n\r\nÄ 😀,3,,\r\n'
    ).encode()
    text = "One line.\nAnd one.\n\nAnother document.\n \nÄ 😀\n".encode()
    packed = (gzip.compress(table, mtime=0), bz2.compress(text), lzma.compress(text))
    plain = (table, b"\xef\xbb\xbf" + table, table.replace(b",", b";"), text)
    return [bytes([number]) + content for number, content in enumerate((*plain, *packed))]


def one_input(data: bytes) -> None:
    """The first byte says what kind of file the rest is."""
    if not data:
        return
    name = _NAMES[data[0] % len(_NAMES)]
    path = Path(_FOLDER, name)
    path.write_bytes(data[1:])
    if name == "a.csv":
        with contextlib.suppress(InputError):
            table = read_csv_table(path, required=("content", "score"), optional=("appId",))
            assert table.lines == sorted(table.lines)
            assert {len(column) for column in table.columns.values()} == {len(table.lines)}
            assert all(isinstance(value, str) for column in table.columns.values() for value in column)
        with contextlib.suppress(InputError):
            reviews = read_reviews(path, mapping=_MAPPING)
            assert len(reviews.texts) == len(reviews.labels)
    for layout in ("auto", "line"):
        with contextlib.suppress(InputError):
            for document in DocumentFiles(path, layout=layout, text_columns=("content",)):
                assert document
                assert all(document)


if __name__ == "__main__":
    fuzzing.run(one_input, seeds)
