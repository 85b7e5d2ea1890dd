"""What only GPUs show; `tox -e gpu` runs these, and each says what it needs."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfbert.training import pick_placement

sys.path.insert(0, str(Path(__file__).parent))
import toy

pytestmark = pytest.mark.gpu


@pytest.fixture
def gpus():
    found = tf.config.list_logical_devices("GPU")
    if not found:
        pytest.skip("needs a GPU; TensorFlow sees none")
    return found


def trained(strategy, **options):
    batches = toy.rows(7 * 49 + 3)
    model = toy.model(strategy, **options)
    model.fit(batches.training_dataset(1), shuffle=False, verbose=0)
    return toy.weights(model)


def test_one_gpu_trains_like_the_cpu(gpus):
    assert (
        toy.largest_difference(trained(pick_placement("gpu").strategy), trained(pick_placement("cpu").strategy)) < 1e-4
    )


@pytest.mark.parametrize("options", [{}, {"micro_batches": 2, "jit_compile": True}], ids=["plain", "compiled"])
def test_mirrored_gpus_train_like_one(gpus, options):
    if len(gpus) < 2:
        pytest.skip("needs two GPUs or more to mirror")
    mirrored = trained(pick_placement("mirrored").strategy, **options)
    assert toy.largest_difference(mirrored, trained(pick_placement("gpu").strategy)) < 1e-4


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_compiled(gpus, policy):
    weights = trained(pick_placement("gpu").strategy, policy=policy, jit_compile=True, dropout=0.1)
    assert all(np.isfinite(value).all() for value in weights)
