"""What the server of worker processes imports before it forks them: it belongs in `set_forkserver_preload`.

TensorFlow comes first, without its banner and blind to GPUs, which workers have no use for. Nothing else should import
this module.
"""

import gc
import importlib
import os

from tfbert.cli import import_tensorflow

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
import_tensorflow()
importlib.import_module("tfbert.data.shard_workers")
# A worker's garbage collector would write to every object it looks at, and so make a copy of all that is shared.
gc.freeze()
