import numpy as np
import onnx
import pytest
from token_models import CONFIGS, check_answers, random_classifier, uneven

from tfbert.serving.onnx_model import OPSET, open_onnx, write_onnx


@pytest.mark.parametrize("config", CONFIGS)
def test_answers_are_the_models(config, tmp_path):
    model = random_classifier(**config)
    write_onnx(tmp_path / "m.onnx", model, 1.7)
    check_answers(model, open_onnx(tmp_path / "m.onnx", 1), 1.7)


def test_padding_has_no_part(tmp_path):
    write_onnx(tmp_path / "m.onnx", random_classifier(), 1.0)
    program = open_onnx(tmp_path / "m.onnx", 1)
    inputs = uneven(5, 13)
    other = {**inputs, "token_ids": np.where(inputs["padding_mask"] == 1, inputs["token_ids"], 9).astype("int32")}
    np.testing.assert_allclose(program(inputs), program(other), atol=1e-6)


def test_what_the_graph_says_of_itself(tmp_path):
    model = random_classifier()
    write_onnx(tmp_path / "m.onnx", model, 1.0)
    graph = onnx.load(tmp_path / "m.onnx")
    assert [(each.domain, each.version) for each in graph.opset_import] == [("", OPSET)]
    shapes = {
        each.name: [dim.dim_param or dim.dim_value for dim in each.type.tensor_type.shape.dim]
        for each in (*graph.graph.input, *graph.graph.output)
    }
    open_shape = ["batch", "length"]
    assert shapes == {
        "token_ids": open_shape,
        "segment_ids": open_shape,
        "padding_mask": open_shape,
        "probabilities": ["batch", 4],
    }
    names = {each.name for each in graph.graph.initializer}
    assert "bert/encoder/layer_1/attention/self/key/kernel" in names
    # No matrix is there twice.
    stored = sum(np.prod(each.dims, dtype=int) for each in graph.graph.initializer)
    assert model.count_params() <= stored < model.count_params() + 50


def test_threads(tmp_path, monkeypatch):
    import onnxruntime

    asked = []
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda path, options, **others: asked.append(options.intra_op_num_threads) or session(path, options, **others),
    )
    write_onnx(tmp_path / "m.onnx", random_classifier(num_layers=1), 1.0)
    open_onnx(tmp_path / "m.onnx", 2)
    assert asked == [2]
