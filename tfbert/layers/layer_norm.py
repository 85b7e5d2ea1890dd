"""Layer normalisation with its statistics in float32 under every dtype policy."""

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    from tfbert.layers.tensorflow_kernels import layer_norm
else:

    def layer_norm(inputs, gamma, beta, epsilon: float):
        """Return γ (x − mean) / √(variance + ε) + β over the last axis, in the dtype of its inputs."""
        return ops.layer_normalization(inputs, gamma, beta, axis=-1, epsilon=epsilon)


@keras.saving.register_keras_serializable(package="tfbert")
class LayerNorm(keras.layers.Layer):
    """y = γ (x − mean) / √(variance + ε) + β over the last axis (Ba et al. 2016).

    BERT's ε of 1e-12 vanishes beside any variance in half precision, so statistics, γ and β stay float32 (float64 under
    a float64 policy) and only the result is cast to the compute dtype.

    Args:
        epsilon: ε, added to the variance.

    Inputs of any float dtype, shape `(..., hidden)`; output of the same shape in the compute dtype.

    >>> LayerNorm(epsilon=1e-12)(ops.array([[1.0, 3.0]])).shape
    TensorShape([1, 2])
    """

    def __init__(self, epsilon: float = 1e-12, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        """Create γ = 1 and β = 0, the names that optimizers exclude from weight decay."""
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta", autocast=False)

    def call(self, inputs):
        """Return the normalised inputs."""
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        gamma, beta = ops.cast(self.gamma, dtype), ops.cast(self.beta, dtype)
        return ops.cast(layer_norm(ops.cast(inputs, dtype), gamma, beta, self.epsilon), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "epsilon": self.epsilon}
