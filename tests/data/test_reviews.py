import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfbert.data.reviews import STARS_TO_SENTIMENT, parse_mapping, read_reviews
from tfbert.errors import InputError

PRIVATE = ("SECRETNAME", "SECRETPICTURE", "SECRETID", "SECRETMAIL")
HEADER = "reviewId,userName,userImage,email,content,score,appId,replyContent\n"


def row(content, score, app="a.b", reply=""):
    return f"SECRETID,SECRETNAME,SECRETPICTURE,SECRETMAIL,{content},{score},{app},{reply}\n"


def write(folder, *rows, header=HEADER, name="reviews.csv"):
    path = folder / name
    path.write_text(header + "".join(rows), encoding="utf-8")
    return path


GOOD = (row("bad", 1), row("so so", "3.0", reply="Thanks"), row("NA", 4), row('"a\nb"', " 5 "), row("awful", 2))


def test_stars_become_the_tutorials_classes(tmp_path):
    reviews = read_reviews(write(tmp_path, *GOOD))
    assert reviews.label_names == ("negative", "neutral", "positive")
    assert reviews.texts.tolist() == ["bad", "so so", "NA", "a\nb", "awful"]
    assert reviews.labels.tolist() == [0, 1, 2, 2, 0]
    assert reviews.frame["score"].tolist() == [1, 3, 4, 5, 2]
    assert reviews.frame["line"].tolist() == [2, 3, 4, 5, 7]
    assert reviews.frame["reply"].tolist() == ["", "Thanks", "", "", ""]
    assert (len(reviews), reviews.rows_read, reviews.empty_dropped, reviews.unmapped_dropped) == (5, 5, 0, 0)


def test_types_do_not_depend_on_how_pandas_stores_strings(tmp_path):
    reviews = read_reviews(write(tmp_path, *GOOD, row("  ", 3), row("", 3)))
    assert {name: str(kind) for name, kind in reviews.frame.dtypes.items()} == {
        "line": "int64",
        "text": "object",
        "score": "int32",
        "label": "int32",
        "app": "object",
        "reply": "object",
    }
    assert reviews.texts.dtype == object
    assert reviews.labels.dtype == np.int32
    assert all(type(text) is str for name in ("text", "app", "reply") for text in reviews.frame[name])
    # What pandas 3 makes of a text column with a missing value, TensorFlow refuses; ours it takes as it is.
    assert tf.constant(reviews.texts).dtype == tf.string
    assert tf.data.Dataset.from_tensor_slices((reviews.texts, reviews.labels)).cardinality() == 5
    assert tf.constant(reviews.frame["reply"].to_numpy()).shape == (5,)


def test_users_leave_no_trace(tmp_path, capsys):
    reviews = read_reviews(write(tmp_path, *GOOD))
    shown = reviews.frame.to_csv() + repr(reviews) + json.dumps(reviews.frame.to_dict("list"))
    with pytest.raises(InputError) as bad_score:
        read_reviews(write(tmp_path, *GOOD, row("x", 9)))
    with pytest.raises(InputError) as bad_row:
        read_reviews(write(tmp_path, *GOOD, row("x, y", 1)))
    with pytest.raises(InputError) as bad_column:
        read_reviews(write(tmp_path, *GOOD), text_column="words")
    printed = "".join(capsys.readouterr())
    for secret in PRIVATE:
        assert secret not in shown + printed + str(bad_score.value) + str(bad_row.value) + str(bad_column.value)
    assert "'userName'" in str(bad_column.value)  # names of columns are shown


def test_empty_texts_are_dropped_and_counted(tmp_path):
    reviews = read_reviews(write(tmp_path, row("", 1), *GOOD, row('" \t "', 5)))
    assert (len(reviews), reviews.rows_read, reviews.empty_dropped) == (5, 7, 2)
    assert reviews.frame["line"].tolist() == [3, 4, 5, 6, 8]
    assert reviews.frame.index.tolist() == list(range(5))


def test_stars_outside_the_mapping_are_dropped_and_counted(tmp_path):
    path = write(tmp_path, *GOOD, row("", 3))
    reviews = read_reviews(path, mapping=parse_mapping("1-2=bad,4-5=good"))
    assert reviews.label_names == ("bad", "good")
    assert reviews.labels.tolist() == [0, 1, 1, 0]
    assert (reviews.rows_read, reviews.empty_dropped, reviews.unmapped_dropped) == (6, 1, 1)


def test_other_columns_by_name(tmp_path):
    path = write(tmp_path, "1,bad\n3,fair\n5,good\n", header="stars,words\n")
    reviews = read_reviews(path, text_column="words", score_column="stars")
    assert reviews.texts.tolist() == ["bad", "fair", "good"]
    assert list(reviews.frame) == ["line", "text", "score", "label"]


def test_a_folder_joins_the_titles_of_the_apps(tmp_path):
    write(tmp_path, row("bad", 1, app="x"), row("fair", 3, app="unknown"), row("good", 5, app="y"))
    write(tmp_path, "Title X,x\nTitle Y,y\n", header="title,appId\n", name="apps.csv")
    assert read_reviews(tmp_path).frame["app"].tolist() == ["Title X", "unknown", "Title Y"]
    (tmp_path / "apps.csv").unlink()
    assert read_reviews(tmp_path).frame["app"].tolist() == ["x", "unknown", "y"]


def test_a_folder_without_reviews_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"must hold reviews\.csv"):
        read_reviews(tmp_path)


@pytest.mark.parametrize("score", ["0", "6", "-1", "4.5", "five", "", "nan", "1e0", "٣", "10"])
def test_a_score_that_is_no_whole_number_from_1_to_5_is_refused_with_its_row(tmp_path, score):
    path = write(tmp_path, *GOOD, row("x", score), row("y", 3), row("z", score))
    with pytest.raises(InputError) as raised:
        read_reviews(path)
    message = str(raised.value)
    for part in (str(path), "whole number from 1 to 5", "'score'", repr(score), "line 8", "2 such rows, lines 8, 10"):
        assert part in message


def test_a_class_without_reviews_is_refused(tmp_path):
    path = write(tmp_path, row("bad", 1), row("", 3), row("good", 5))
    with pytest.raises(InputError, match=r"'neutral' \(stars 3\) has none among the 2 of 3 rows"):
        read_reviews(path)


def test_mappings_are_read_from_a_flag():
    assert parse_mapping("1-2=negative,3=neutral,4-5=positive") == STARS_TO_SENTIMENT
    assert parse_mapping(" 5 = very good , 1 - 4 = other ") == dict.fromkeys(range(1, 5), "other") | {5: "very good"}
    assert list(parse_mapping("4-5=good,1=bad")) == [1, 4, 5]


@pytest.mark.parametrize(
    ("flag", "part"),
    [
        ("", "STARS=NAME; got ''"),
        ("1-2=bad,", "got ''"),
        ("1-2=bad,3", "got '3'"),
        ("1-2=bad,3=", "got '3='"),
        ("bad=1", "got 'bad=1'"),
        ("1=a=b,2=c", "got '1=a=b'"),
        ("0-2=bad,3=good", "from 1 to 5"),
        ("1-6=bad,3=good", "from 1 to 5"),
        ("2-1=bad,3=good", "lower first; got '2-1=bad'"),
        ("1-3=bad,3-5=good", "3 is both 'bad' and 'good'"),
        ("1-5=all", "at least two classes"),
    ],
)
def test_a_wrong_mapping_is_refused(flag, part):
    with pytest.raises(InputError) as raised:
        parse_mapping(flag)
    assert part in str(raised.value)


@pytest.mark.parametrize("mapping", [{1: "one", 6: "six"}, {1: "one"}, {}])
def test_a_wrong_mapping_given_as_a_dict_is_refused(tmp_path, mapping):
    with pytest.raises(InputError, match="at least two classes"):
        read_reviews(write(tmp_path, *GOOD), mapping=mapping)


def test_real_reviews(real_data):
    reviews = read_reviews(real_data)
    assert len(reviews) == reviews.rows_read == 6475
    assert np.bincount(reviews.frame["score"]).tolist() == [0, 1058, 1030, 2046, 1153, 1188]
    assert np.bincount(reviews.labels).tolist() == [2088, 2046, 2341]
    assert reviews.frame["app"].nunique() == 15
    assert set(reviews.frame) == {"line", "text", "score", "label", "app", "reply"}
    # pandas, told to keep every word, reads the same texts.
    frame = pd.read_csv(real_data / "reviews.csv", keep_default_na=False, dtype=str)
    assert reviews.texts.tolist() == frame["content"].tolist()
