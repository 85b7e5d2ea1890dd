"""Expected values are those of TensorFlow Serving's tests, model_servers/http_rest_api_util_test.cc (marked util) and
model_servers/http_rest_api_handler_test.cc (marked handler)."""

import pytest

from tfbert.server.rest_paths import Call, parse_path
from tfbert.server.status_codes import StatusError

ESCAPED = "%21%23%24%25%26%27%28%29%2A%2B%2C%2F%3A%3B%3D%3F%40%5B%5D"
PLAIN = "!#$%&'()*+,/:;=?@[]"


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        # util, TestParseModelInfoForGet
        ("GET", f"/v1/models/modelname{ESCAPED}", Call(f"modelname{PLAIN}", "status")),
        ("GET", "/v1/models/modelname/versions/99", Call("modelname", "status", 99)),
        ("GET", "/v1/models/modelname/labels/latest", Call("modelname", "status", label="latest")),
        (
            "GET",
            f"/v1/models/modelname/labels/latest{ESCAPED}",
            Call("modelname", "status", label=f"latest{PLAIN}"),
        ),
        ("GET", "/v1/models/modelname/labels/latest/metadata", Call("modelname", "metadata", label="latest")),
        (
            "GET",
            f"/v1/models/modelname{ESCAPED}/labels/latest{ESCAPED}/metadata",
            Call(f"modelname{PLAIN}", "metadata", label=f"latest{PLAIN}"),
        ),
        # util, TestParseModelInfoForPost
        ("POST", f"/v1/models/modelname{ESCAPED}:predict", Call(f"modelname{PLAIN}", "predict")),
        ("POST", "/v1/models/modelname/versions/99:predict", Call("modelname", "predict", 99)),
        ("POST", "/v1/models/modelname/labels/latest:predict", Call("modelname", "predict", label="latest")),
        (
            "POST",
            f"/v1/models/modelname{ESCAPED}/labels/latest{ESCAPED}:predict",
            Call(f"modelname{PLAIN}", "predict", label=f"latest{PLAIN}"),
        ),
        # The expressions in http_rest_api_util.cc do not tell small letters from capitals.
        ("POST", "/V1/Models/Name:Predict", Call("Name", "predict")),
        ("GET", "/v1/models/m/METADATA", Call("m", "metadata")),
    ],
)
def test_paths(method, path, call):
    assert parse_path(method, path) == call


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        # util
        ("GET", "/v1/foo", "Malformed request"),
        ("GET", "/v1/models/foo:predict", "Malformed request"),
        ("GET", "/v1/models/foo/version/50:predict", "Malformed request"),
        ("POST", "/v1/foo", "Malformed request"),
        ("POST", "/v1/models", "Malformed request"),
        ("POST", "/v1/models/foo/version/50:predict", "Malformed request"),
        ("POST", "/v1/models/foo/versions/string:predict", "Malformed request"),
        ("POST", f"/v1/models/foo/versions/{2**64 - 1}:predict", "Failed to convert version"),
        ("POST", "/v1/models/foo/metadata", "Malformed request"),
        ("POST", "/v1/models/foo/versions/50/labels/some_label:regress", "Malformed request"),
        # handler, UnsupportedApiCalls
        ("GET", "/v1/models", "Missing model name"),
        ("GET", "/v1/models/debug/model_name", "Malformed request"),
        ("POST", "/v1/models/foo/versions/HELLO:regress", "Malformed request"),
        ("POST", "/v1/models/foo/label/some_label:regress", "Malformed request"),
        ("POST", "/v1/models/foo/versions/some_label:regress", "Malformed request"),
        # Other methods, and numbers that are none.
        ("DELETE", "/v1/models/foo", "Malformed request"),
        ("POST", "/v1/models/foo/versions/" + "9" * 5000 + ":predict", "Failed to convert version"),
        ("POST", "/v1/models/foo/versions/\u0663:predict", "Malformed request"),
        ("POST", f"/v1/models/foo/versions/{2**63}:predict", "Failed to convert version"),
    ],
)
def test_what_is_no_call(method, path, message):
    with pytest.raises(StatusError, match=message) as caught:
        parse_path(method, path)
    assert caught.value.http_status == 400


def test_the_highest_version():
    assert parse_path("GET", f"/v1/models/m/versions/{2**63 - 1}").version == 2**63 - 1
