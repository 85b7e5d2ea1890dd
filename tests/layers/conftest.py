"""Lets the tests of layers import `layer_contract` and `numpy_reference`, which lie beside them."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(11)


@pytest.fixture
def hidden():
    """Hidden vectors of shape (batch 2, length 5, hidden 14)."""
    return np.random.default_rng(3).normal(size=(2, 5, 14)).astype("float32")


@pytest.fixture
def padding_mask():
    """The second row has two pads."""
    return np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype="int32")
