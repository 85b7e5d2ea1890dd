"""README.md of a serving folder: how to start a server, and how to ask each signature of each model."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from tfbert.serving.model_card import CARD
from tfbert.serving.text_signatures import INPUTS
from tfbert.serving.warm_up_records import example_text
from tfbert.tokenization.vocabulary import Vocabulary

README = "README.md"
MARK = "<!-- Written by tfbert; the next export replaces this file. -->"

_START = f"""\
# Models to serve

{MARK}

Start TensorFlow Serving, the image of docker-compose.yml:

    docker compose up

or the server that comes with tfbert, which follows the same files:

    tfbert serve models.config

These files were tried with the latter alone. Either answers below http://127.0.0.1:8501/v1/models and follows
`models.config` and `batching.config`. It finds new versions while it runs; for a new model, start it again.

The Python lines below use this:

```python
import json
import urllib.request


def ask(method, request):
    url = f"http://127.0.0.1:8501/v1/models/{{method}}"
    with urllib.request.urlopen(url, json.dumps(request).encode()) as answer:
        return json.load(answer)
```
"""

_TOKENS = """\
Under batching, TensorFlow Serving runs rows of different requests together and refuses rows of unlike length: pad them
all to one length then, with 0 in `padding_mask`.
"""


def readme(models: Mapping[str, Path]) -> str:
    """Return the text for the models' folders, by name.

    Of each model the highest version is shown that an export wrote and that can be read; a model without one is not.
    """
    parts = [_START]
    for name, folder in sorted(models.items()):
        shown = _shown_version(folder)
        if shown:
            parts.append(_model(name, *shown))
    return "\n".join(parts)


def _shown_version(folder: Path) -> tuple[Path, dict[str, meta_graph_pb2.SignatureDef]] | None:
    versions = [int(card.parent.name) for card in folder.glob(f"*/{CARD}") if card.parent.name.isdecimal()]
    for version in sorted(versions, reverse=True):
        with contextlib.suppress(OSError, DecodeError, IndexError):
            return folder / str(version), signatures_of(folder / str(version))
    return None


def _model(name: str, version: Path, signatures: Mapping[str, meta_graph_pb2.SignatureDef]) -> str:
    card = f"{version.parent.name}/{version.name}/{CARD}"
    lines = [f"## {name}", "", f"Version {version.name} was the highest at the last export. [Model card]({card}).", ""]
    lines += ["| signature | inputs | outputs |", "|---|---|---|"]
    lines += [
        f"| `{key}` | {_tensors(signature.inputs)} | {_tensors(signature.outputs)} |"
        for key, signature in signatures.items()
    ]
    for key, signature in signatures.items():
        method, request = example_request(key, signature, signatures, version)
        body = json.dumps(request)
        lines += ["", f"`{key}`:", "", f"    curl -d '{body}' http://127.0.0.1:8501/v1/models/{name}:{method}", ""]
        lines += ["```python", f'ask("{name}:{method}", {body})', "```"]
        if key == "tokens":
            lines += ["", _TOKENS.rstrip()]
    return "\n".join(lines) + "\n"


def signatures_of(version: Path) -> dict[str, meta_graph_pb2.SignatureDef]:
    """Return the signatures of a version's SavedModel by name, the default first."""
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    found = {
        key: signature for key, signature in saved.meta_graphs[0].signature_def.items() if not key.startswith("__")
    }
    return dict(sorted(found.items(), key=lambda item: (item[0] != "serving_default", item[0])))


def example_request(
    key: str, signature: meta_graph_pb2.SignatureDef, signatures: Iterable[str], version: Path
) -> tuple[str, dict[str, Any]]:
    """Return the method and the JSON body of a request that the signature answers."""
    text = example_text(key, signatures)
    body: dict[str, Any] = {} if key == "serving_default" else {"signature_name": key}
    if signature.method_name.endswith("/classify"):
        return "classify", {**body, "examples": [{"text": text}]}
    inputs = {*signature.inputs}
    if inputs == {*INPUTS}:
        vocabulary = Vocabulary.from_file(version / "assets" / "vocab.txt")
        ids = [vocabulary.cls_id, vocabulary.mask_id, vocabulary.sep_id]
        return "predict", {**body, "instances": [dict(zip(INPUTS, (ids, [0] * 3, [1] * 3), strict=True))]}
    if len(inputs) == 1:
        return "predict", {**body, "instances": [text]}
    pair = dict(zip(sorted(inputs), (text, "It crashes every day."), strict=True))
    return "predict", {**body, "instances": [pair]}


def _tensors(infos: Mapping[str, meta_graph_pb2.TensorInfo]) -> str:
    """Name each tensor with its type and shape, such as `text` string (batch,)."""
    return ", ".join(f"`{name}` {_type(info)}" for name, info in sorted(infos.items()))


def _type(info: meta_graph_pb2.TensorInfo) -> str:
    sizes = ["batch", *("any" if axis.size == -1 else str(axis.size) for axis in info.tensor_shape.dim[1:])]
    dtype = types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower().replace("float", "float32")
    return f"{dtype} ({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
