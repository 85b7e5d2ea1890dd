import pytest

from tfbert.data.play_download import LOCK_NAME
from tfbert.data.review_sources import load_reviews, sample_folder, sample_vocabulary
from tfbert.data.reviews import parse_mapping
from tfbert.errors import InputError


def test_the_sample_is_the_default_and_says_that_it_is_synthetic():
    reviews = load_reviews()
    assert "synthetic" in reviews.source
    assert reviews.frame["app"][0].count(":") == 1  # a title, not an id
    assert sample_vocabulary().parent == sample_folder()
    assert sample_vocabulary().is_file()


def test_a_mapping_reaches_the_sample():
    assert load_reviews("sample", mapping=parse_mapping("1-3=no,4-5=yes")).label_names == ("no", "yes")


def test_a_path_with_its_own_columns(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("words,stars\nbad,1\nfair,3\ngood,5\n")
    for given in (path, str(path)):
        reviews = load_reviews(given, text_column="words", score_column="stars")
        assert reviews.source == str(path)
        assert len(reviews) == 3


def test_columns_that_the_sample_does_not_have_are_refused():
    with pytest.raises(InputError, match="missing 'words'"):
        load_reviews("sample", text_column="words")


def test_play_is_looked_for_in_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for place in ("~/cache", tmp_path / "other"):
        folder = (tmp_path / "cache" if place == "~/cache" else place) / "play"
        folder.mkdir(parents=True)
        (folder / "reviews.csv").write_text("<html>quota</html>")
        with pytest.raises(InputError, match="HTML page") as raised:
            load_reviews("play", cache_folder=place)
        assert str(folder / "reviews.csv") in str(raised.value)
        assert not (folder / LOCK_NAME).exists()


def test_a_misspelt_source_is_a_missing_file():
    with pytest.raises(InputError, match="sampel: there is no such file"):
        load_reviews("sampel")
