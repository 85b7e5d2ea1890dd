import subprocess
import sys

import pytest

SCRIPT = """
import gc, os, sys, tfbert.worker_preload
names = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
assert not [name for name in names if name.startswith("tf_")], names
assert "tfbert.data.shard_workers" in sys.modules
assert gc.get_freeze_count() > 100_000
assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
assert "keras" not in sys.modules
import keras
print("ready")
"""


@pytest.mark.slow
def test_the_server_has_tensorflow_but_none_of_its_threads():
    """A fork keeps no thread but one, so TensorFlow must not have started any; nor may it say a word."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("ready\n", "")
