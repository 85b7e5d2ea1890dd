"""What lies beside a model of ONNX or LiteRT for whoever runs it."""

from tfbert.serving.onnx_model import OPSET
from tfbert.tokenization.tokenizer import BertTokenizer

_ABOUT = {
    "onnx": f"`model.onnx`, ONNX opset {OPSET}, for ONNX Runtime and whatever else reads ONNX",
    "litert": "`model.tflite`, for LiteRT (formerly TensorFlow Lite), of its built-in operators alone",
}

_RUN = {
    "onnx": """\
import onnxruntime

model = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
probabilities = model.run(["probabilities"], inputs)[0]
""",
    "litert": """\
from ai_edge_litert.interpreter import Interpreter

model = Interpreter("model.tflite").get_signature_runner("serving_default")
probabilities = model(**inputs)["probabilities"]
""",
}

_PACKAGE = {"onnx": "onnxruntime", "litert": "ai-edge-litert"}


def token_readme(format: str, tokenizer: BertTokenizer, max_length: int, weights: str, comparison: str) -> str:
    """Return Markdown: what the folder holds, the lines that run it, and how it compares with the SavedModel."""
    case = "uncased, accents removed" if tokenizer.lowercase else "cased"
    return f"""\
# A BERT classifier of texts

{_ABOUT[format]}; weights in {weights}. Written by tfbert.

It takes `token_ids`, `segment_ids` and `padding_mask`, int32 (batch, length), any batch and up to {max_length} tokens,
and gives `probabilities`, float32 (batch, classes), in the order of `labels.txt`. A row is `[CLS]` text `[SEP]`: ids by
`vocab.txt` ({case}), cut at {max_length} tokens; segment 0; padding mask 1 where a token is real, 0 where a shorter
row is filled up with {tokenizer.pad_id}.

In this folder, with `pip install tfbert {_PACKAGE[format]}`:

```python
import pathlib
import tfbert

tokenizer = tfbert.BertTokenizer("vocab.txt", lowercase={tokenizer.lowercase})
encoded = tokenizer.encode(["I love this app.", "It crashes!"], max_length={max_length})
inputs = {{name: ids.numpy() for name, ids in encoded.items()}}

{_RUN[format]}
labels = pathlib.Path("labels.txt").read_text(encoding="utf-8").splitlines()
for row in probabilities:
    print(labels[row.argmax()], row.round(3))
```

## When it was written

```
{comparison}
```
"""
