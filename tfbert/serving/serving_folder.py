"""What lies beside the models of a serving folder: everything that TensorFlow Serving is started with.

```
serving/
  models.config  batching.config  docker-compose.yml  README.md
  reviews/1  reviews/2  bert/1
```

They lie above the models' folders: TensorFlow Serving's list is of several models, and it polls each model's folder for
versions. An export adds its model to `models.config` and writes `README.md` anew; models, policies and labels that are
there stay. `batching.config` and `docker-compose.yml`, once there, are left as they are: they are yours to tune.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfbert.atomic import written_beside
from tfbert.errors import InputError
from tfbert.serving import serving_readme

MODELS_CONFIG = "models.config"
IMAGE = "tensorflow/serving:2.20.0"

_BATCHING = """\
# Rows of one request: a larger one is refused. Larger than a run, so that big requests are split, not refused.
max_batch_size { value: 1024 }
enable_large_batch_splitting { value: true }
# Rows of one run.
max_execution_batch_size { value: 64 }
# A run takes what waits; above 0 it waits so long for more.
batch_timeout_micros { value: 0 }
# Runs that may wait; beyond them a request is told that the server is busy.
max_enqueued_batches { value: 64 }
# num_batch_threads: by default one for each core of the machine that serves.
# pad_variable_length_inputs stays off: TensorFlow Serving pads with each tensor's first number, so that padding would
# count as text in padding_mask.
"""

_COMPOSE = f"""\
services:
  serving:
    image: {IMAGE}
    entrypoint: tensorflow_model_server
    command:
      - --model_config_file=/models/{MODELS_CONFIG}
      - --enable_batching=true
      - --batching_parameters_file=/models/batching.config
      - --enable_model_warmup=true
      # Requests keep the cores busy: on CPUs, more of them are answered where none of their operations is cut in parts.
      - --tensorflow_intra_op_parallelism=1
      - --rest_api_port=8501
      - --port=8500
    ports:
      - "127.0.0.1:8501:8501"
      - "127.0.0.1:8500:8500"
    volumes:
      - .:/models:ro
"""


def check(model_folder: Path) -> None:
    """Refuse a model's folder whose name, or whose neighbours, are in the way.

    Raises:
        InputError: the name cannot stand in an address; models.config cannot be read or has this name for another
            folder; or README.md is somebody else's.
    """
    model_folder = model_folder.resolve()
    name, folder = model_folder.name, model_folder.parent
    if not re.fullmatch(r"(?!\d+$)\w[\w.-]*", name, re.ASCII):
        raise InputError(
            "a model's folder bears the name that clients ask for: letters, digits, '_', '.' and '-', and not a number "
            f"alone; received {name!r}. Export into a folder such as serving/reviews."
        )
    _with_model(folder / MODELS_CONFIG, name)
    readme = folder / serving_readme.README
    if readme.exists() and serving_readme.MARK not in readme.read_text(encoding="utf-8", errors="replace"):
        raise InputError(
            f"{readme} was not written by an export, which would replace it: export into a model's folder in a folder "
            f"of its own, such as {folder / 'serving' / name}."
        )


def update(model_folder: Path) -> None:
    """Add a model to the files beside its folder, or write them."""
    model_folder = model_folder.resolve()
    folder = model_folder.parent
    with _alone(folder):
        config = _with_model(folder / MODELS_CONFIG, model_folder.name)
        _write(folder / MODELS_CONFIG, text_format.MessageToString(config))
        for name, content in (("batching.config", _BATCHING), ("docker-compose.yml", _COMPOSE)):
            if not (folder / name).exists():
                _write(folder / name, content)
        models = {each.name: folder / Path(each.base_path).name for each in config.model_config_list.config}
        _write(folder / serving_readme.README, serving_readme.readme(models))


def _with_model(path: Path, name: str) -> model_server_config_pb2.ModelServerConfig:
    """Return what `path` lists, and this model."""
    config = model_server_config_pb2.ModelServerConfig()
    if path.exists():
        try:
            text_format.Parse(path.read_text(encoding="utf-8"), config)
        except (UnicodeDecodeError, text_format.ParseError) as error:
            raise InputError(f"{path} is no text of ModelServerConfig: {error}. Mend it or take it away.") from None
    found = [each for each in config.model_config_list.config if each.name == name]
    if not found:
        config.model_config_list.config.add(name=name, base_path=f"/models/{name}", model_platform="tensorflow")
    elif Path(found[0].base_path).name != name:
        raise InputError(
            f"{path} has a model {name} in {found[0].base_path}, not in this export's folder: export into a folder of "
            "another name, or change the file."
        )
    return config


def _write(path: Path, content: str) -> None:
    with written_beside(path) as partial:
        partial.write_text(content, encoding="utf-8")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other export changes the files of `folder`; the system frees the lock when a process dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
