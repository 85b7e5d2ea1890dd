"""Dropout."""

import keras

Dropout = keras.layers.Dropout
