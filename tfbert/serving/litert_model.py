"""A classifier as a LiteRT (formerly TensorFlow Lite) model of its token ids, of LiteRT's built-in operators alone."""

from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfbert.models.classifier import BertClassifier
from tfbert.serving.model_copy import copied
from tfbert.serving.text_signatures import INPUTS


def write_litert(path: Path, classifier: BertClassifier, temperature: float, *, int8: bool) -> None:
    """Write `path`: `token_ids`, `segment_ids`, `padding_mask`, int32 (batch, length), to `probabilities`, float32.

    Batch and length are open: a caller resizes the inputs, as LiteRT's signature runners do by themselves.

    Args:
        path: the file.
        classifier: its weights are stored as float32.
        temperature: divides the logits.
        int8: keep each larger matrix as whole numbers with scales: LiteRT's dynamic-range quantisation.
    """
    model = copied(classifier)
    activation = model.encoder.config.activation
    if activation != "relu":
        # LiteRT has no erf, but GELU of both kinds, which its converter finds in TensorFlow's own formulas alone.
        for block in model.encoder.blocks:
            block.feed_forward.activation_function = lambda inputs: tf.nn.gelu(inputs, activation == "gelu_tanh")
    # Variables would stay variables, and products with them would be the slower ones of two unknown matrices.
    weights_as_constants = keras.StatelessScope()
    for variable in model.weights:
        weights_as_constants.add_update((variable, tf.constant(variable.numpy())))

    def probabilities(token_ids, segment_ids, padding_mask):
        with weights_as_constants:
            logits = model(dict(zip(INPUTS, (token_ids, segment_ids, padding_mask), strict=True)), training=False)
        return {"probabilities": tf.nn.softmax(logits / temperature)}

    specs = [tf.TensorSpec([None, None], tf.int32, name=name) for name in INPUTS]
    traced = tf.function(probabilities, autograph=False, input_signature=specs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], tf.Module())
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path.write_bytes(converter.convert())


def open_litert(path: Path, num_threads: int) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
    """Return what gives the probabilities for inputs by name."""
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path), num_threads=num_threads).get_signature_runner("serving_default")
    return lambda inputs: run(**{name: inputs[name] for name in INPUTS})["probabilities"]
