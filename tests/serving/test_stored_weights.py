import keras
import numpy as np
import pytest
import tensorflow as tf

from tfbert.serving.stored_weights import StoredWeights


def rounded(value, name, kind):
    """What is kept of a weight, by NumPy: a matrix rounded, anything else as it is."""
    if value.ndim != 2:
        return value
    if kind == "bfloat16":
        return value.astype(tf.bfloat16.as_numpy_dtype).astype(np.float32)
    scale = np.abs(value).max(axis=1 if name.endswith("_embeddings") else 0, keepdims=True) / 127
    return (np.rint(value / np.where(scale == 0, 1, scale)) * scale).astype(np.float32)


def rounded_model(model, kind):
    """A model whose weights are what is kept of another's."""
    copy = type(model).from_config(model.get_config())
    copy.set_weights([rounded(variable.numpy(), variable.name, kind) for variable in model.weights])
    return copy


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int8"])
def test_the_model_computes_with_what_is_kept(make_classifier, tokenizer, kind):
    model = make_classifier()
    table = model.encoder.embeddings.word_embeddings
    values = table.numpy()
    values[tokenizer.token_to_id("love")] = 0  # a row without a scale
    table.assign(values)
    inputs = tokenizer.encode(["I love this app, I love it", "no"])
    exact = model(inputs, training=False).numpy()
    stored = StoredWeights(model, kind)

    @tf.function
    def compute():
        with stored.in_place(stored.restored(), inputs["token_ids"]) as token_ids:
            return model({**inputs, "token_ids": token_ids}, training=False), stored.word_embeddings()

    found, word_embeddings = compute()
    reference = rounded_model(model, kind) if kind != "float32" else model
    np.testing.assert_allclose(found, reference(inputs, training=False), atol=2e-5)
    np.testing.assert_allclose(word_embeddings, reference.encoder.embeddings.word_embeddings.numpy(), atol=1e-6)
    if kind != "float32":
        assert np.abs(found - exact).max() > 1e-4
        assert {variable.dtype for variable in stored.variables if len(variable.shape) == 2} == {
            tf.as_dtype(kind),
            *([tf.float32] if kind == "int8" else []),
        }
    # Outside of it the model is as it was.
    np.testing.assert_array_equal(model(inputs, training=False), exact)


def test_in_bits(make_classifier):
    sizes = {}
    for kind in ("float32", "bfloat16", "int8"):
        stored = StoredWeights(make_classifier(), kind)
        sizes[kind] = sum(variable.dtype.size * np.prod(variable.shape) for variable in stored.variables)
    assert 0.5 < sizes["bfloat16"] / sizes["float32"] < 0.52
    assert sizes["int8"] / sizes["float32"] < 0.35


@pytest.mark.parametrize("kind", ["bfloat16", "bfloat16_compute"])
def test_under_a_policy_of_mixed_precision(make_classifier, tokenizer, kind):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make_classifier()
    finally:
        keras.config.set_dtype_policy(policy)
    inputs = tokenizer.encode(["I love this app", "no"])
    stored = StoredWeights(model, kind)
    restored = stored.restored()
    kernels = {
        each.dtype for each, variable in zip(restored, model.weights[1:], strict=True) if variable.name == "kernel"
    }
    assert kernels == {tf.bfloat16 if kind == "bfloat16_compute" else tf.float32}
    with stored.in_place(restored, inputs["token_ids"]) as token_ids:
        found = model({**inputs, "token_ids": token_ids}, training=False)
    np.testing.assert_allclose(found, rounded_model(model, "bfloat16")(inputs, training=False), atol=1e-5)
