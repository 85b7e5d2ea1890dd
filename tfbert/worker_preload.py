"""What the server of worker processes imports before it forks them: it belongs in `set_forkserver_preload`.

TensorFlow comes first: without its banner, blind to GPUs, which workers have no use for, and without Keras, which
brings scikit-learn, SciPy and others along, a third of the memory and of the CPU time. Nothing else should import this
module.
"""

import gc
import importlib
import os
import sys

from tfbert.cli import import_tensorflow

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
# None makes an import fail, which TensorFlow takes for "not installed"; a user's script, which each worker imports too,
# may still need it.
sys.modules["keras"] = None  # type: ignore[assignment]
import_tensorflow()
del sys.modules["keras"]
importlib.import_module("tfbert.data.shard_workers")
# A worker's garbage collector would write to every object it looks at, and so make a copy of all that is shared.
gc.freeze()
