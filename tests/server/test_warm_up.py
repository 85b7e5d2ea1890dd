import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    predict_pb2,
    prediction_log_pb2,
    regression_pb2,
)

from tfbert.server.loaded_model import LoadedModel
from tfbert.server.metrics import Metrics
from tfbert.server.status_codes import StatusError
from tfbert.server.warm_up import warm_up


@pytest.fixture(scope="module")
def model(half_plus_two):
    return LoadedModel(half_plus_two / "00000123", "half", 123, None, Metrics())


@pytest.fixture
def asked(model, monkeypatch):
    """What the model is asked."""
    found = []
    for name in ("predict", "classify", "regress"):
        real = getattr(LoadedModel, name)

        def ask(self, *arguments, name=name, real=real):
            found.append((name, arguments[0]))
            return real(self, *arguments)

        monkeypatch.setattr(LoadedModel, name, ask)
    return found


def write(folder, *records):
    (folder / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(folder / "assets.extra/tf_serving_warmup_requests")) as writer:
        for record in records:
            writer.write(record if isinstance(record, bytes) else record.SerializeToString())
    return folder


def predict_log(value=1.0, signature=""):
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([[value]]))
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))


def example(**values):
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(float_list=tf.train.FloatList(value=[value])) for name, value in values.items()
            }
        )
    )


def test_each_kind_of_record(model, asked, tmp_path):
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.signature_name = "classify_x_to_y"
    classify.input.example_list.examples.append(example(x=1.0))
    regress = regression_pb2.RegressionRequest()
    regress.model_spec.signature_name = "regress_x_to_y"
    regress.input.example_list_with_context.context.CopyFrom(example(x=1.0))
    regress.input.example_list_with_context.examples.append(example(x2=1.0))
    write(
        tmp_path,
        predict_log(),
        prediction_log_pb2.PredictionLog(classify_log=prediction_log_pb2.ClassifyLog(request=classify)),
        prediction_log_pb2.PredictionLog(regress_log=prediction_log_pb2.RegressLog(request=regress)),
    )
    counted = Metrics()
    assert warm_up(model, tmp_path, counted) == 3
    assert asked == [("predict", ""), ("classify", "classify_x_to_y"), ("regress", "regress_x_to_y")]
    assert f'model_warmup_latency_count{{model_path="{tmp_path}",status="OK"}} 1' in counted.page()


def test_no_records(model, tmp_path):
    counted = Metrics()
    assert warm_up(model, tmp_path, counted) == 0
    assert counted.page() == "\n"


def test_as_many_as_there_may_be(model, asked, tmp_path):
    write(tmp_path, *[predict_log()] * 1000)
    assert warm_up(model, tmp_path, Metrics()) == 1000
    assert len(asked) == 1000


@pytest.mark.parametrize(
    ("records", "code", "message"),
    [
        ([predict_log()] * 1001, "INVALID_ARGUMENT", "exceeds the maximum"),
        ([b"\xff\xff\xff"], "DATA_LOSS", "verify your warmup data"),
        ([predict_log(signature="gone")], "FAILED_PRECONDITION", "not found"),
        ([prediction_log_pb2.PredictionLog()], "UNIMPLEMENTED", "Unsupported log_type"),
        (
            [
                prediction_log_pb2.PredictionLog(
                    multi_inference_log=prediction_log_pb2.MultiInferenceLog(
                        request=inference_pb2.MultiInferenceRequest()
                    )
                )
            ],
            "UNIMPLEMENTED",
            "multi_inference_log",
        ),
        (
            [prediction_log_pb2.PredictionLog(classify_log=prediction_log_pb2.ClassifyLog())],
            "INVALID_ARGUMENT",
            "Expected classification signature",
        ),
    ],
)
def test_records_that_fail(model, tmp_path, records, code, message):
    counted = Metrics()
    with pytest.raises(StatusError, match=message) as caught:
        warm_up(model, write(tmp_path, *records), counted)
    assert caught.value.code == code
    assert f'status="{code}"}} 1' in counted.page()


def test_a_file_cut_in_two(model, tmp_path):
    path = write(tmp_path, predict_log(), predict_log()) / "assets.extra/tf_serving_warmup_requests"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StatusError, match="TFRecord") as caught:
        warm_up(model, tmp_path, Metrics())
    assert caught.value.code == "DATA_LOSS"
