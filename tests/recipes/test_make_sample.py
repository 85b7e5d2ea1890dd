import subprocess
import sys

import pytest
from tfbert.recipes import make_sample

from tfbert.data import sample_folder
from tfbert.data.sample_grammar import APP_COLUMNS, REVIEW_COLUMNS, generate_apps, generate_reviews
from tfbert.errors import InputError


@pytest.mark.slow
def test_the_bundled_files_are_made_again_byte_for_byte(tmp_path, capsys):
    make_sample.main(tmp_path / "sample")
    made = {path.name: path.read_bytes() for path in (tmp_path / "sample").iterdir()}
    bundled = {path.name: path.read_bytes() for path in sample_folder().iterdir()}
    assert sorted(made) == ["README.md", "apps.csv", "reviews.csv", "vocab.txt"]
    assert made == bundled
    assert "reviews.csv" in capsys.readouterr().out
    assert sum(map(len, made.values())) < 700_000


@pytest.mark.slow
def test_the_rows_do_not_depend_on_the_process(tmp_path):
    # Hash randomisation and import order must not reach the texts.
    code = (
        "from tfbert.data.sample_grammar import *; r = generate_reviews(50, 1);"
        "import hashlib; print(hashlib.sha256(repr((r, generate_apps(r))).encode()).hexdigest())"
    )
    answers = {subprocess.check_output([sys.executable, "-c", code]) for _ in range(2)}
    assert len(answers) == 1


@pytest.mark.slow
def test_bad_arguments_end_with_status_2_and_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for arguments in (["--output", str(tmp_path / "file")], ["--outptu", "x"]):
        ended = subprocess.run(
            [sys.executable, make_sample.__file__, *arguments], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 2
        assert "Traceback" not in ended.stderr
        assert "choose another" in ended.stderr or "unrecognized arguments: --outptu" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(make_sample, "learn_vocabulary", lambda texts: ["[PAD]"])  # slow, and not what is tested here
    (tmp_path / "apps.csv" / "x").mkdir(parents=True)
    with pytest.raises(InputError, match=r"apps\.csv: must be written.*choose another folder"):
        make_sample.main(tmp_path)
    assert not [path.name for path in tmp_path.iterdir() if "partial" in path.name]


def test_csv_text_quotes_what_needs_it():
    text = make_sample.csv_text(("a", "b"), [{"a": 'one, "two"', "b": "x\ny"}])
    assert text == 'a,b\n"one, ""two""","x\ny"\n'


def test_columns_and_seeds():
    reviews = generate_reviews(100, 3)
    assert all(tuple(row) == REVIEW_COLUMNS for row in reviews)
    assert all(tuple(row) == APP_COLUMNS for row in generate_apps(reviews))
    assert generate_reviews(100, 3) == reviews
    assert generate_reviews(100, 4) != reviews
