import keras
import numpy as np
import pytest

from tfbert.errors import InputError
from tfbert.training import BertAdamW, GlobalBatchFunctional, strategies
from tfbert.training.strategies import pick_placement


def test_mirrored_takes_the_logical_cpu_devices_where_there_is_no_gpu():
    placement = pick_placement("mirrored", "float32")
    assert placement.strategy.num_replicas_in_sync == 2
    assert placement.dtype_policy == "float32"


def test_one_process_has_one_mirrored_strategy():
    """Models of different sizes train one after the other: two strategies would mix up their all-reduces."""
    assert pick_placement("mirrored").strategy is pick_placement("mirrored").strategy
    for units in (3, 5):
        strategy = pick_placement("mirrored").strategy
        with strategy.scope():
            inputs = keras.Input((2,))
            model = GlobalBatchFunctional(inputs, keras.layers.Dense(units)(inputs))
            model.compile(BertAdamW(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        assert model.fit(np.ones((4, 2)), np.zeros(4, "int32"), verbose=0).history["loss"][0] > 0


def test_auto_on_a_cpu():
    placement = pick_placement()
    assert placement.strategy.num_replicas_in_sync == 1
    assert placement.dtype_policy == ("mixed_bfloat16" if strategies._cpu_bfloat16()[0] else "float32")
    assert "one CPU" in placement.description


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_precision_as_asked(precision):
    placement = pick_placement("cpu", precision)
    assert placement.dtype_policy == f"mixed_{precision}"
    assert "as asked" in placement.description


@pytest.mark.parametrize(
    ("flags", "fast"), [("fma avx2", False), ("avx512_bf16", True), ("amx_bf16 amx_tile", True), ("bf16", True)]
)
def test_bfloat16_where_the_cpu_multiplies_it(tmp_path, flags, fast):
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: fpu {flags} sse\n")
    assert strategies._cpu_bfloat16(tmp_path / "cpuinfo")[0] is fast


def test_an_unknown_system_gets_float32(tmp_path):
    assert strategies._cpu_bfloat16(tmp_path / "absent") == (
        False,
        "this system does not tell whether its CPU multiplies bfloat16",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tpu",), "strategy must be one of"),
        (("auto", "int8"), "precision must be one of"),
        (("gpu",), "TensorFlow sees none"),
        (("multi_worker",), "TF_CONFIG"),
    ],
)
def test_what_cannot_be_picked(arguments, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("SLURM_STEP_NODELIST", raising=False)
    with pytest.raises(InputError, match=message):
        pick_placement(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "multi_worker", "all_reduce": "tree"}, "all_reduce must be one of auto, ring, nccl"),
        ({"strategy": "multi_worker", "all_reduce": "nccl"}, "all_reduce nccl needs GPUs"),
        ({"strategy": "mirrored", "all_reduce": "ring"}, "need strategy multi_worker; received all_reduce='ring'"),
        ({"all_reduce_timeout_seconds": 60.0}, "all_reduce_timeout_seconds=60.0 for strategy 'auto'"),
    ],
)
def test_options_of_an_all_reduce_between_workers(options, message):
    with pytest.raises(InputError, match=message):
        pick_placement(**options)
