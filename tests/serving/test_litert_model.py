import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from token_models import CONFIGS, check_answers, random_classifier, uneven

from tfbert.serving.litert_model import open_litert, write_litert


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_answers_are_the_models(config, tmp_path):
    model = random_classifier(**config)
    write_litert(tmp_path / "m.tflite", model, 1.7, int8=False)
    check_answers(model, open_litert(tmp_path / "m.tflite", 1), 1.7)
    # The model that was exported computes as before.
    inputs = uneven(3, 5)
    twin = random_classifier(**config)
    np.testing.assert_array_equal(model(inputs, training=False), twin(inputs, training=False))


def test_operators_and_shapes(tmp_path):
    write_litert(tmp_path / "m.tflite", random_classifier("gelu_erf"), 1.0, int8=False)
    interpreter = Interpreter(str(tmp_path / "m.tflite"))
    assert {tuple(each["shape_signature"]) for each in interpreter.get_input_details()} == {(-1, -1)}
    assert interpreter.get_signature_list() == {
        "serving_default": {"inputs": ["padding_mask", "segment_ids", "token_ids"], "outputs": ["probabilities"]}
    }
    kinds = [each["op_name"] for each in interpreter._get_ops_details()]
    assert not [kind for kind in kinds if kind.startswith(("Flex", "VAR_HANDLE"))]
    # Constant matrices have the quick product (the last block's query is one of its own), and GELU is one operator.
    assert (kinds.count("FULLY_CONNECTED"), kinds.count("GELU")) == (2 * 4 + 1 + 3, 2)


@pytest.mark.slow
def test_int8_is_a_quarter_and_near(tmp_path):
    model = random_classifier(vocabulary_size=700, hidden_dim=48, intermediate_dim=96)
    for int8 in (False, True):
        write_litert(tmp_path / f"{int8}.tflite", model, 1.0, int8=int8)
    sizes = [(tmp_path / f"{int8}.tflite").stat().st_size for int8 in (True, False)]
    assert sizes[0] < 0.45 * sizes[1]
    inputs = uneven(5, 13)
    exact = tf.nn.softmax(model(inputs, training=False)).numpy()
    found = open_litert(tmp_path / "True.tflite", 1)(inputs)
    assert 1e-5 < np.abs(found - exact).max() < 0.2
