import keras
import numpy as np
import pytest
import tensorflow as tf

from tfbert.errors import InputError
from tfbert.training import BertLamb, LinearWarmupDecay, pick_placement

SHAPES = {"kernel": (5, 3), "embeddings": (7, 2), "bias": (3,), "gamma": (3,), "beta": (3,)}
ADAPTED = ("kernel", "embeddings")
RATES = [0.05, 0.1, 0.08, 0.06, 0.04, 0.02]


def published_lamb(weights, gradients, decay=0.01, clip=1.0, multipliers=None):
    """Algorithm 2 of You et al. 2020 in NumPy float64, with the clipping of BERT before it."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    m = {name: np.zeros_like(value) for name, value in weights.items()}
    v = {name: np.zeros_like(value) for name, value in weights.items()}
    for t, (gradient, rate) in enumerate(zip(gradients, RATES, strict=True), 1):
        norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradient.values()))
        for name, g in gradient.items():
            g = np.float64(g) * (min(1.0, clip / norm) if clip else 1.0)
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g**2
            u = m[name] / (1 - 0.9**t) / (np.sqrt(v[name] / (1 - 0.999**t)) + 1e-6)
            ratio = 1.0
            if name in ADAPTED:
                u = u + decay * weights[name]
                w_norm, u_norm = np.linalg.norm(weights[name]), np.linalg.norm(u)
                ratio = float(w_norm / u_norm) if w_norm > 0 and u_norm > 0 else 1.0
            weights[name] = weights[name] - (multipliers or {}).get(name, 1.0) * rate * ratio * u
    return weights


@pytest.fixture
def start():
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=shape).astype("float32") for name, shape in SHAPES.items()}


@pytest.fixture
def gradients():
    rng = np.random.default_rng(2)
    return [{name: rng.normal(size=shape).astype("float32") for name, shape in SHAPES.items()} for _ in RATES]


def optimize(start, gradients, strategy=None, multipliers=None, **options):
    """Apply the steps; under a strategy each replica brings an unequal share of the gradient."""
    with (strategy or tf.distribute.get_strategy()).scope():
        variables = {name: keras.Variable(value, name=name) for name, value in start.items()}
        optimizer = BertLamb(1.0, **options)
        optimizer.build(list(variables.values()))
    for name, multiplier in (multipliers or {}).items():
        optimizer.set_learning_rate_multiplier([variables[name]], multiplier)

    @tf.function
    def step(gradient):
        replica = tf.distribute.get_replica_context()
        share = 1.0
        if replica.num_replicas_in_sync == 2:
            share = tf.where(tf.equal(replica.replica_id_in_sync_group, 0), 0.3, 0.7)
        optimizer.apply([share * g for g in gradient.values()])

    for gradient, rate in zip(gradients, RATES, strict=True):
        optimizer.learning_rate.assign(rate)
        (strategy or tf.distribute.get_strategy()).run(step, args=(gradient,))
    return {name: variable.numpy() for name, variable in variables.items()}


@pytest.mark.parametrize(
    "options",
    [{}, {"global_clipnorm": None}, {"weight_decay": 0.0}, {"weight_decay": 0.3}, {"multipliers": {"kernel": 0.5}}],
    ids=lambda options: "-".join(map(str, next(iter(options.items()), ("default",)))),
)
def test_against_the_published_algorithm(start, gradients, options):
    names = {"weight_decay": "decay", "global_clipnorm": "clip", "multipliers": "multipliers"}
    expected = published_lamb(start, gradients, **{names[name]: value for name, value in options.items()})
    for name, value in optimize(start, gradients, **options).items():
        np.testing.assert_allclose(value, expected[name], atol=2e-6, err_msg=name)


def test_two_replicas_step_like_one(start, gradients):
    mirrored = optimize(start, gradients, pick_placement("mirrored").strategy)
    expected = published_lamb(start, gradients)
    for name, value in mirrored.items():
        np.testing.assert_allclose(value, expected[name], atol=2e-6, err_msg=name)


@pytest.mark.parametrize("zero", ["weights", "gradients"])
def test_a_norm_of_zero_leaves_the_rate_as_it_is(start, gradients, zero):
    if zero == "weights":
        start["kernel"] = np.zeros_like(start["kernel"])
    else:
        for gradient in gradients:
            gradient["kernel"] = np.zeros_like(gradient["kernel"])
    found = optimize(start, gradients, weight_decay=0.0)
    np.testing.assert_allclose(found["kernel"], published_lamb(start, gradients, decay=0.0)["kernel"], atol=2e-6)
    assert np.isfinite(found["kernel"]).all()
    assert (found["kernel"] != start["kernel"]).any() == (zero == "weights")


def test_config_round_trip():
    optimizer = BertLamb(LinearWarmupDecay(1e-3, 10, 2), 0.02, 0.8, 0.99, 1e-5, 2.0, "mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert isinstance(again, BertLamb)
    assert again.get_config() == optimizer.get_config()


def test_bad_settings_name_the_class():
    with pytest.raises(InputError, match=r"BertLamb needs weight_decay >= 0.*weight_decay=-1"):
        BertLamb(weight_decay=-1)
