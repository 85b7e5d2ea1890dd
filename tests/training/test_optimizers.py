import keras
import numpy as np
import pytest
import tensorflow as tf

from tfbert.errors import InputError
from tfbert.training import BertAdamW, BertLamb, LinearWarmupDecay, optimizers

# The kernel takes 1 - β of the float32 β, which moves an update by 6e-6 of itself.
BETA_1, BETA_2 = float(np.float32(0.9)), float(np.float32(0.999))


@pytest.fixture(params=[0, 1000], ids=["compiled", "kernel"])
def either_update(request, monkeypatch):
    """Updates by XLA, then by TensorFlow's kernel."""
    monkeypatch.setattr(optimizers, "_COMPILED_FROM", request.param)


def google_adam(weights, gradients, rates, decay, clip, bias_correction=False, multipliers=None):
    """Google's `AdamWeightDecayOptimizer` in NumPy float64; `weights` and each of `gradients` map names to arrays."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    m = {name: np.zeros_like(value) for name, value in weights.items()}
    v = {name: np.zeros_like(value) for name, value in weights.items()}
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), 1):
        norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradient.values()))
        for name, g in gradient.items():
            g = g * min(1.0, clip / norm) if clip else g
            m[name] = BETA_1 * m[name] + (1 - BETA_1) * g
            v[name] = BETA_2 * v[name] + (1 - BETA_2) * g**2
            m_hat, v_hat = m[name], v[name]
            if bias_correction:
                m_hat, v_hat = m_hat / (1 - 0.9**step), v_hat / (1 - 0.999**step)
            # The kernel adds epsilon to the uncorrected root: divide it out to compare.
            epsilon = 1e-6 / (np.sqrt(1 - 0.999**step) if bias_correction else 1)
            update = m_hat / (np.sqrt(v_hat) + epsilon)
            if name == "kernel":
                update = update + decay * weights[name]
            weights[name] = weights[name] - (multipliers or {}).get(name, 1.0) * rate * update
    return weights


@pytest.mark.parametrize(
    "options",
    [{}, {"bias_correction": True}, {"global_clipnorm": None}, {"weight_decay": 0.0}, {"multipliers": {"kernel": 0.5}}],
    ids=lambda options: next(iter(options), "default"),
)
def test_against_googles_optimizer(options, either_update):
    options = dict(options)
    multipliers = options.pop("multipliers", None)
    rng = np.random.default_rng(1)
    shapes = {"kernel": (5, 3), "bias": (3,), "gamma": (3,), "beta": (3,)}
    start = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    gradients = [{name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()} for _ in range(6)]
    variables = {name: keras.Variable(value, name=name) for name, value in start.items()}
    optimizer = BertAdamW(LinearWarmupDecay(0.1, 6, 2), **options)
    if multipliers:
        optimizer.set_learning_rate_multiplier([variables["kernel"]], multipliers["kernel"])
    rates = [float(optimizer.learning_rate)]
    for step, gradient in enumerate(gradients):
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradient.values()], list(variables.values()))
        if step < 5:
            rates.append(float(optimizer.learning_rate))
    expected = google_adam(
        start,
        gradients,
        rates,
        options.get("weight_decay", 0.01),
        options.get("global_clipnorm", 1.0),
        options.get("bias_correction", False),
        multipliers,
    )
    for name, variable in variables.items():
        np.testing.assert_allclose(variable.numpy(), expected[name], atol=2e-6)


def test_the_rows_that_occur_are_a_gradient(either_update):
    """As good as a dense one, rows that occur twice and rows that do not included."""
    rng = np.random.default_rng(2)
    shapes = {"embeddings": (6, 3), "kernel": (3, 4)}
    start = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    steps = []
    for _ in range(5):
        rows = tf.IndexedSlices(rng.normal(size=(4, 3)).astype("float32"), rng.integers(0, 5, 4), [6, 3])
        steps.append((rows, rng.normal(size=(3, 4)).astype("float32")))

    def trained(gradient):
        variables = [keras.Variable(value, name=name) for name, value in start.items()]
        optimizer = BertAdamW(0.1, bias_correction=True)
        with optimizer.summed_gradients():
            for rows, kernel in steps:
                optimizer.apply([gradient(rows), tf.constant(kernel)], variables)
        return [variable.numpy() for variable in (*variables, *optimizer.variables)]

    sparse, dense = trained(lambda rows: rows), trained(tf.convert_to_tensor)
    for one, other in zip(sparse, dense, strict=True):
        np.testing.assert_allclose(one, other, rtol=3e-6, atol=1e-7)
    assert not BertAdamW(beta_1=0.0).takes_sparse_gradients
    assert not BertLamb().takes_sparse_gradients


def test_a_norm_that_is_not_finite_shows(either_update):
    """As `tf.clip_by_global_norm` does, and not by a step of zeros."""
    weights = keras.Variable(np.ones((2, 2), "float32"), name="kernel")
    BertAdamW(0.1).apply([tf.fill([2, 2], 1e30)], [weights])
    assert np.isnan(weights.numpy()).all()


def test_what_is_decayed():
    encoder_like = [
        keras.Variable(np.ones(2, "float32"), name=name) for name in ("kernel", "embeddings", "bias", "gamma", "beta")
    ]
    optimizer = BertAdamW(1.0)
    assert [optimizer.decays(variable) for variable in encoder_like] == [True, True, False, False, False]
    optimizer.apply([keras.ops.zeros(2)] * 5, encoder_like)
    assert [float(variable.numpy()[0]) for variable in encoder_like] == pytest.approx([0.99, 0.99, 1, 1, 1])


def test_config_round_trip():
    optimizer = BertAdamW(LinearWarmupDecay(1e-3, 10, 2), 0.02, 0.8, 0.99, 1e-5, 2.0, True, "mine")
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == optimizer.get_config()
    assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(BertAdamW(0.25))).get_config()[
        "learning_rate"
    ] == pytest.approx(0.25)


@pytest.mark.parametrize(
    "options", [{"weight_decay": -1}, {"beta_1": 1.0}, {"beta_2": -0.1}, {"epsilon": 0}, {"global_clipnorm": 0}]
)
def test_bad_settings(options):
    with pytest.raises(InputError, match=next(iter(options))):
        BertAdamW(**options)
