"""What every layer of tfbert must do, in one function; each layer's own test adds its numbers."""

import keras
import numpy as np


def check_layer_contract(layer_class, arguments, inputs, num_weights, output_shape, policies=("float32",)):
    """Check config round trip, symbolic = eager shape, one step of `fit`, and the dtype policies.

    Args:
        layer_class: the layer's class.
        arguments: every argument of its constructor, none at its default.
        inputs: arrays it is called on, by argument name, their dimensions different primes.
        num_weights: trainable weights it must have.
        output_shape: of its output.
        policies: dtype policies it must work under.
    """
    layer = layer_class(**arguments)
    config = layer.get_config()
    assert {name: config[name] for name in arguments} == arguments
    assert set(config) == {*arguments, "name", "trainable", "dtype"}
    assert keras.saving.get_registered_name(layer_class) == f"tfbert>{layer_class.__name__}"
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == config

    symbolic_inputs = {
        name: keras.Input(batch_shape=(None,) * array.ndim if array.dtype == "int32" else (None, None, array.shape[-1]),
                          dtype=array.dtype.name, name=name)
        for name, array in inputs.items()
    }  # fmt: skip
    symbolic = layer(**symbolic_inputs)
    assert len(layer.trainable_weights) == num_weights
    eager = layer(**inputs)
    assert eager.shape == output_shape
    assert symbolic.shape[-1] == output_shape[-1]
    assert len(symbolic.shape) == len(output_shape)
    assert layer_class(**arguments).compute_output_spec(
        **{name: keras.KerasTensor(array.shape, array.dtype) for name, array in inputs.items()}
    ).shape == output_shape  # fmt: skip

    model = keras.Model(symbolic_inputs, symbolic)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = [np.array(weight.numpy()) for weight in layer.trainable_weights]
    target = np.random.default_rng(7).normal(size=output_shape).astype("float32")
    model.fit(inputs, target, batch_size=len(target), verbose=0)
    unmoved = [
        weight.path
        for weight, old in zip(layer.trainable_weights, before, strict=True)
        if np.array_equal(weight.numpy(), old)
    ]
    assert unmoved == []

    for policy in policies:
        outputs = layer_class(**{**arguments, "dtype": policy})(**inputs)
        assert keras.backend.standardize_dtype(outputs.dtype) == keras.DTypePolicy(policy).compute_dtype
        assert np.isfinite(keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))).all()
