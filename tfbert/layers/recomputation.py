"""Layers that keep their input alone for the backward pass, and compute the rest once more there."""

from collections.abc import Callable

import keras

from tfbert.layers.dropout import Dropout


def recomputed(layer: keras.layers.Layer) -> Callable:
    """Return a function that calls `layer`, with the same outputs and gradients, and less in memory between the two.

    Of its arguments, the first is a tensor that gradients are wanted of. Dropout draws the same numbers both times: the
    seeds are drawn once, outside, and handed in with the weights.
    """

    def call(inputs, **kwargs):
        dropouts = [each for each in layer._flatten_layers() if isinstance(each, Dropout) and each.rate]
        variables = [*layer.weights, *(each.seed_generator.state for each in dropouts)]
        # A copy is a tensor on every backend, which gradients pass through; a converted variable need not be one.
        values = [*map(keras.ops.copy, layer.weights), *(each.seed_generator.next() for each in dropouts)]

        def stateless(inputs, *values):
            with keras.StatelessScope(zip(variables, values, strict=True)):
                return layer(inputs, **kwargs)

        return keras.remat(stateless)(inputs, *values)

    return call
