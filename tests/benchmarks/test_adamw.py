import keras
import numpy as np
import pytest

from tfbert.benchmarks import adamw


@pytest.mark.parametrize("compared", [True, False])
def test_that_of_keras_does_what_ours_does(compared):
    generator = np.random.default_rng(0)
    values = {"kernel": generator.normal(size=(4, 3)), "bias": generator.normal(size=3)}
    gradients = [[generator.normal(size=each.shape, scale=3) for each in values.values()] for _ in range(3)]
    after = []
    for optimizer in (adamw.ours(compared=compared), adamw.of_keras(compared=compared)):
        variables = [keras.Variable(each, dtype="float32", name=name) for name, each in values.items()]
        for each in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(one, "float32") for one in each], variables)
        after.append(np.concatenate([each.numpy().ravel() for each in variables]))
    start = np.concatenate([each.ravel() for each in values.values()])
    assert np.linalg.norm(after[0] - after[1]) < 2e-4 * np.linalg.norm(after[0] - start)


def test_the_compared_step_follows_the_gradient_not_its_sign():
    steps = []
    for gradient in (1e-3, 1e-2):
        variable = keras.Variable([1.0], name="bias")
        adamw.ours(compared=True).apply([keras.ops.convert_to_tensor([gradient])], [variable])
        steps.append(1 - float(variable.numpy()[0]))
    assert 6 < steps[1] / steps[0] < 10
