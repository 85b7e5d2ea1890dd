import pytest
import tensorflow as tf

from tfbert.server.status_codes import CODES, HTTP_STATUS, StatusError, from_tensorflow, invalid, not_found


def test_http_statuses_are_tensorflow_servings():
    # ToHTTPStatusCode in tensorflow_serving/model_servers/http_server.cc; names in net_http/.../response_code_enum.h.
    assert HTTP_STATUS == {
        "OK": 200,
        "CANCELLED": 499,
        "UNKNOWN": 500,
        "INVALID_ARGUMENT": 400,
        "DEADLINE_EXCEEDED": 504,
        "NOT_FOUND": 404,
        "ALREADY_EXISTS": 409,
        "PERMISSION_DENIED": 403,
        "RESOURCE_EXHAUSTED": 429,
        "FAILED_PRECONDITION": 400,
        "ABORTED": 409,
        "OUT_OF_RANGE": 400,
        "UNIMPLEMENTED": 501,
        "INTERNAL": 500,
        "UNAVAILABLE": 503,
        "DATA_LOSS": 500,
        "UNAUTHENTICATED": 401,
    }


def test_codes_are_in_tensorflows_order():
    for number in range(1, len(CODES)):
        assert getattr(tf.errors, CODES[number]) == number


def test_an_http_status_may_be_given():
    assert (invalid("x").http_status, not_found("x").http_status) == (400, 404)
    assert StatusError("INVALID_ARGUMENT", "x", 413).http_status == 413


def test_tensorflows_errors_keep_their_code_and_lose_their_traces():
    message = (
        "Graph execution error:\n\nDetected at node BatchFunction defined at (most recent call last):\n"
        '  File "/a/b.py", line 65, in <module>\n\n'
        "Task size 65 is larger than maximum input batch size 64\n"
        "\t [[{{node BatchFunction}}]] [Op:__inference_outer_12]"
    )
    found = from_tensorflow(tf.errors.InvalidArgumentError(None, None, message))
    assert (found.code, found.message) == (
        "INVALID_ARGUMENT",
        "Task size 65 is larger than maximum input batch size 64",
    )
    assert from_tensorflow(tf.errors.UnavailableError(None, None, "full")).http_status == 503


@pytest.mark.parametrize(("error", "code"), [(ValueError("x"), "INTERNAL"), (KeyError(), "INTERNAL")])
def test_other_errors_are_internal(error, code):
    assert from_tensorflow(error).code == code
    assert from_tensorflow(error).message


def test_words_of_tensorflow_that_are_not_utf8_come_from_the_request():
    @tf.function
    def parse(text):
        return tf.io.parse_example(text, {"x": tf.io.FixedLenFeature([1], tf.float32)})

    with pytest.raises(UnicodeDecodeError) as caught:
        parse(tf.constant([b"\xff\xff"]))
    assert from_tensorflow(caught.value).code == "INVALID_ARGUMENT"
