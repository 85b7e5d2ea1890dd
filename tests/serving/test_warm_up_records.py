import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tfbert.server.warm_up import RECORDS as SERVERS_RECORDS
from tfbert.serving.warm_up_records import RECORDS


def requests_of(path):
    """By signature, what each record asks: for each of its texts the number of characters, or of tokens."""
    found = {}
    for record in tf.data.TFRecordDataset(str(path / RECORDS)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        if log.WhichOneof("log_type") == "classify_log":
            request = log.classify_log.request
            texts = [example.features.feature["text"] for example in request.input.example_list.examples]
            values = [text.bytes_list.value[0] for text in texts]
        else:
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            values = inputs.get("text", inputs.get("first"))
        assert request.model_spec.name == path.parent.name
        if values is None:
            values = inputs["token_ids"]
            lengths = inputs["padding_mask"].sum(axis=-1).tolist()
        else:
            lengths = [len(value) for value in values]
        found.setdefault(request.model_spec.signature_name, []).append((values, lengths))
    return found


def test_where_the_server_looks():
    assert RECORDS == SERVERS_RECORDS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fixture", "signatures"),
    [
        ("exported", ["classify", "embed", "pairs", "serving_default", "tokens"]),
        ("exported_pretrainer", ["embed", "fill_mask", "next_sentence", "serving_default", "tokens"]),
    ],
)
def test_each_signature_in_several_lengths_and_batches(fixture, signatures, request, tokenizer):
    path = request.getfixturevalue(fixture)[1]
    found = requests_of(path)
    assert sorted(found) == signatures
    assert sum(map(len, found.values())) <= 1000
    for records in found.values():
        lengths = [lengths for _, lengths in records]
        assert [len(each) for each in lengths] == [1, 1, 4, 20]
        assert len({*lengths[3]}) > 1
        assert lengths[1][0] > 3 * lengths[0][0]
    most = {"exported": 64, "exported_pretrainer": 40}[fixture]
    assert found["tokens"][1][1] == [most]
    for text, _ in found.get("fill_mask", []):
        assert all(b"[MASK]" in each for each in text)
    if fixture == "exported_pretrainer":
        assert all((values == tokenizer.mask_id).any(axis=-1).all() for values, _ in found["tokens"])
        assert not any(b"[MASK]" in each for text, _ in found["embed"] for each in text)
