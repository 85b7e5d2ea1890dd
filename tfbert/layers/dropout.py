"""Dropout whose random numbers cost less."""

import keras

if keras.backend.backend() == "tensorflow":
    from tfbert.layers.tensorflow_kernels import dropout
else:

    def dropout(inputs, rate: float, seed_generator):
        """Return `inputs` with each element 0 with probability `rate`, else 1/(1 − rate) times as large."""
        return keras.random.dropout(inputs, rate, seed=seed_generator)


@keras.saving.register_keras_serializable(package="tfbert")
class Dropout(keras.layers.Dropout):
    """In training, an element is 0 with probability `rate`, else 1/(1 − rate) times as large (Srivastava et al. 2014).

    As `keras.layers.Dropout`, whose seed generator says which; on TensorFlow an element takes 8 random bits instead
    of 32, and `rate` is taken to the nearest of 1/65,536.
    """

    def call(self, inputs, training=False):
        """Return the inputs, in training with elements dropped."""
        return dropout(inputs, self.rate, self.seed_generator) if training and self.rate else inputs
