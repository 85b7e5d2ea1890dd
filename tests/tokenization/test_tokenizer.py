import csv
import importlib.util
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tfbert
from tfbert.errors import InputError

spec = importlib.util.spec_from_file_location("reference", Path(__file__).with_name("reference.py"))
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENS = [
    *SPECIAL,
    "good",
    "##ness",
    "!",
    "cafe",
    "very",
    "[",
    "]",
    "sep",
    "un",
    "##a",
    "##ffa",
    "##ble",
    "\u1100",
    "##\u1161",
]


@pytest.fixture(scope="module")
def small():
    return tfbert.BertTokenizer(TOKENS)


@pytest.fixture(scope="session")
def full(minilm):
    """The uncased and the cased tokenizer over the 30,522 tokens, by `lowercase`, and the ids of the tokens."""
    path = minilm / "vocab.txt"
    ids = {line.strip(): number for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1])}
    return {lowercase: tfbert.BertTokenizer(path, lowercase=lowercase) for lowercase in (True, False)}, ids


@pytest.fixture(scope="session")
def reviews(real_data):
    with open(real_data / "reviews.csv", encoding="utf-8", newline="") as file:
        return [row["content"] for row in csv.DictReader(file)]


@pytest.mark.parametrize("lowercase", [True, False], ids=["uncased", "cased"])
class TestExact:
    def test_golden_rows(self, full, golden, lowercase):
        rows = json.loads((golden / "tokenizer.json").read_text(encoding="utf-8"))
        expected = [row["uncased" if lowercase else "cased"] for row in rows]
        texts = [row["text"] for row in rows]
        tokenizers, ids = full
        assert len(rows) == 350
        assert [reference.tokenize(text, ids, lowercase) for text in texts] == expected
        assert tokenizers[lowercase].tokenize(texts).to_list() == expected
        assert [tokenizers[lowercase].tokenize(text).numpy().tolist() for text in texts[:30]] == expected[:30]

    def test_real_reviews(self, full, reviews, lowercase):
        tokenizers, ids = full
        texts = reviews[:1500]
        assert tokenizers[lowercase].tokenize(texts).to_list() == [reference.tokenize(t, ids, lowercase) for t in texts]

    def test_special_tokens_in_a_text_are_ordinary_characters(self, full, lowercase):
        tokenizers, ids = full
        got = tokenizers[lowercase].tokenize(" ".join(SPECIAL)).numpy()
        assert not set(got.tolist()) & {ids[token] for token in SPECIAL if token != "[UNK]"}
        assert got[0] == ids["["]

    def test_100000_characters(self, full, lowercase):
        tokenizers, ids = full
        draw = random.Random(0)
        texts = [
            "a",
            "zq" * 100 + " ",
            "字",
            "ΑΣ ",
            "e\u0301",
            "a\U0001d16d\U0001d165",
            "!",
            " ",
            "unaffableness ",
        ]
        texts = [(text * 100_000)[:100_000] for text in texts]
        texts.append("".join(chr(draw.randrange(0x20, 0x2FF)) for _ in range(100_000)))
        for text in texts:
            begin = time.process_time()
            got = tokenizers[lowercase].tokenize(text).numpy().tolist()
            # 0.01 to 0.3 CPU seconds; what takes quadratic time would take minutes.
            assert time.process_time() - begin < 5, text[:20]
            words = reference.words(text, lowercase)
            pieces = {word: reference.pieces(word, ids) for word in set(words)}
            assert got == [piece for word in words for piece in pieces[word]], text[:20]


def test_kinds_of_input(small):
    ids = [[5, 6, 7], [], [1]]
    texts = ["Goodness!", "", "bad"]
    for given in (
        texts,
        tuple(texts),
        np.array(texts),
        np.array(texts, object),
        tf.constant(texts),
        [t.encode() for t in texts],
    ):
        tokens = small.tokenize(given)
        assert isinstance(tokens, tf.RaggedTensor)
        assert tokens.dtype == tf.int32
        assert tokens.to_list() == ids
    one = small.tokenize("Goodness!")
    assert one.dtype == tf.int32
    assert one.numpy().tolist() == ids[0]
    assert small.tokenize([]).shape == [0, None]
    assert small.tokenize([b"good\xff\xe2\x82!"]).to_list() == [[5, 7]]


def test_refuses_what_is_no_text(small):
    for texts in ([1.5], ["a", None], ["a", float("nan")], 3):
        with pytest.raises(TypeError, match="texts must be strings"):
            small.tokenize(texts)
    with pytest.raises(InputError, match=r"\(batch,\): got \(1, 1\)"):
        small.tokenize([["a"]])
    with pytest.raises(TypeError, match="lowercase must be True or False"):
        tfbert.BertTokenizer(TOKENS, lowercase="yes")


def test_lowercase_is_honoured():
    assert tfbert.BertTokenizer(TOKENS, lowercase=False).tokenize(["Good good café"]).to_list() == [[1, 5, 1]]
    assert tfbert.BertTokenizer(TOKENS, lowercase=True).tokenize(["Good good café"]).to_list() == [[5, 5, 8]]


def test_tf_data_and_functions_of_any_batch_size(small):
    texts = ["good", "goodness very", "", "!"]
    rows = tf.data.Dataset.from_tensor_slices(texts).batch(3).map(small.tokenize, num_parallel_calls=2)
    assert [row.to_list() for row in rows] == [[[5], [5, 6, 9], []], [[7]]]
    singles = tf.data.Dataset.from_tensor_slices(texts).map(small.tokenize)
    assert [row.tolist() for row in singles.as_numpy_iterator()] == [[5], [5, 6, 9], [], [7]]
    encode = tf.function(small.encode, input_signature=[tf.TensorSpec([None], tf.string)])
    assert encode(texts)["token_ids"].shape == (4, 5)
    assert encode(texts[:1])["token_ids"].numpy().tolist() == [[2, 5, 3]]
    assert encode([])["token_ids"].shape == (0, 2)


def test_offsets_by_hand(small):
    # c a f e+accent (2 bytes), a soft hyphen (2 bytes) inside, an accent of its own after, a syllable of two letters
    text = "  Café! GOOD\u00adness e\u0301xx \uac00"
    ids, starts, limits = small.tokenize_with_offsets([text, "", "good"])
    encoded = text.encode()
    spans = [encoded[a:b].decode() for a, b in zip(starts[0].numpy(), limits[0].numpy(), strict=True)]
    assert ids.to_list() == [[8, 7, 5, 6, 1, 17, 18], [], [5]]
    assert spans == ["Café", "!", "GOOD", "ness", "e\u0301xx", "\uac00", "\uac00"]
    assert (starts[2].numpy().tolist(), limits[2].numpy().tolist()) == ([0], [4])
    assert starts.dtype == limits.dtype == tf.int32
    one = small.tokenize_with_offsets(b"\xff\xe2good\xf0!")
    assert [tensor.numpy().tolist() for tensor in one] == [[5, 7], [2, 7], [6, 8]]


def test_offsets_of_sorted_combining_characters():
    text = "xa a\U0001d16d\U0001d165"  # the marks, of 4 bytes each, change places
    tokens = [*SPECIAL, "a\U0001d165", "##\U0001d16d"]
    one, two = "a\U0001d165\U0001d16d", tfbert.BertTokenizer(tokens)
    assert [tensor.numpy().tolist() for tensor in two.tokenize_with_offsets(text)] == [[1, 5, 6], [0, 3, 4], [2, 12, 8]]
    whole = tfbert.BertTokenizer([*SPECIAL, one])
    assert [tensor.numpy().tolist() for tensor in whole.tokenize_with_offsets(text)] == [[1, 5], [0, 3], [2, 12]]


def test_offsets_of_reviews_cover_text_that_gives_the_same_piece(full, reviews):
    tokenizer = full[0][True]
    texts = reviews[:600]
    ids, starts, limits = (ragged.to_list() for ragged in tokenizer.tokenize_with_offsets(texts))
    assert ids == tokenizer.tokenize(texts).to_list()
    wrong = 0
    for text, *pieces in zip(texts, ids, starts, limits, strict=True):
        encoded = text.encode()
        for token_id, start, limit in zip(*pieces, strict=True):
            word = "".join(reference.words(encoded[start:limit].decode(), lowercase=True))
            wrong += token_id != tokenizer.unk_id and word != tokenizer.id_to_token(token_id).removeprefix("##")
    assert wrong == 0


def test_encode(small):
    encoded = small.encode(["goodness !", "very"], ["good", "! !"], max_length=7, pad_to=8)
    assert {name: (tensor.dtype, tensor.numpy().tolist()) for name, tensor in encoded.items()} == {
        "token_ids": (tf.int32, [[2, 5, 6, 7, 3, 5, 3, 0], [2, 9, 3, 7, 7, 3, 0, 0]]),
        "segment_ids": (tf.int32, [[0, 0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1, 0, 0]]),
        "padding_mask": (tf.int32, [[1, 1, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1, 0, 0]]),
    }
    assert small.encode("goodness very", max_length=4)["token_ids"].numpy().tolist() == [[2, 5, 6, 3]]
    with pytest.raises(InputError, match="at least 3 for 1 text"):
        small.encode(["good"], max_length=2)
    with pytest.raises(InputError, match="at least 5 for 2 texts"):
        small.encode(["good"], ["good"], max_length=4)
    with pytest.raises(InputError, match="as many texts"):
        small.encode(["good"], ["good", "!"])


def test_detokenize(small):
    assert small.detokenize([[2, 13, 15, 16, 7, 3, 0], [1, 9, 4]]).numpy().tolist() == [b"unffable !", b"[UNK] very"]
    assert small.detokenize(small.tokenize(["Goodness!", ""])).numpy().tolist() == [b"goodness !", b""]
    assert small.detokenize(tf.constant([[2, 5, 3, 0]])).numpy().tolist() == [b"good"]
    assert small.detokenize([5, 6]).numpy() == b"goodness"


def test_properties_and_config(small):
    assert (small.pad_id, small.unk_id, small.cls_id, small.sep_id, small.mask_id) == (0, 1, 2, 3, 4)
    assert small.vocabulary_size == len(TOKENS)
    assert small.token_to_id("good") == 5
    assert small.id_to_token(6) == "##ness"
    assert small.lowercase is True
    config = json.loads(json.dumps(tfbert.BertTokenizer(TOKENS, lowercase=False).get_config()))
    assert config == {"vocabulary": TOKENS, "lowercase": False}
    assert tfbert.BertTokenizer(**config).tokenize(["Good good"]).to_list() == [[1, 5]]


def test_the_vocabulary_file_may_go(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\n".join(TOKENS), encoding="utf-8")
    tokenizer = tfbert.BertTokenizer(path)
    path.unlink()
    tf.saved_model.save(tokenizer, str(tmp_path / "saved"))
    assert (tmp_path / "saved/assets/vocab.txt").read_text(encoding="utf-8").split() == TOKENS


SERVED = """
import json, sys
import tensorflow as tf
from tensorflow.python.framework import op_def_registry
loaded = tf.saved_model.load(sys.argv[1])
graph = tf.compat.v1.MetaGraphDef()
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
saved = SavedModel.FromString(open(sys.argv[1] + "/saved_model.pb", "rb").read())
graphs = [meta.graph_def for meta in saved.meta_graphs]
ops = {node.op for g in graphs for nodes in [g.node, *(f.node_def for f in g.library.function)] for node in nodes}
names = {f.signature.name for g in graphs for f in g.library.function}
unknown = sorted(op for op in ops - names if not hasattr(tf.raw_ops, op.lstrip("_")) and not op_def_registry.get(op))
texts = json.load(open(sys.argv[2]))
answers = loaded.signatures["serving_default"](tf.constant(texts))
ids, starts, limits = (loaded.offsets(tf.constant(texts))[k] for k in ("ids", "starts", "limits"))
print(json.dumps({
    "unknown": unknown, "ops": len(ops),
    "foreign": sorted({m.split(".")[0] for m in sys.modules} & {"tfbert", "tensorflow_text"}),
    "token_ids": answers["token_ids"].numpy().tolist(), "starts": starts.to_list(), "limits": limits.to_list(),
    "words": [w.decode() for w in loaded.words(ids).numpy()],
}))
"""


@pytest.mark.slow
def test_saved_model_in_a_fresh_process(tmp_path, small):
    class Server(tf.Module):
        def __init__(self):
            super().__init__()
            self.tokenizer = tfbert.BertTokenizer(TOKENS)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def serve(self, text):
            return self.tokenizer.encode(text, max_length=9)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def offsets(self, text):
            return dict(zip(("ids", "starts", "limits"), self.tokenizer.tokenize_with_offsets(text), strict=True))

        @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])
        def words(self, ids):
            return self.tokenizer.detokenize(ids)

    server = Server()
    tf.saved_model.save(server, str(tmp_path / "made"), signatures={"serving_default": server.serve})
    del server
    shutil.move(tmp_path / "made", tmp_path / "moved")
    texts = ["Goodness!", "", "very unaffable CAFÉ " * 4, "ΟΔΟΣ", "[SEP]"]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    command = [sys.executable, "-I", "-c", SERVED, str(tmp_path / "moved"), str(tmp_path / "texts.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    ids, starts, limits = small.tokenize_with_offsets(texts)
    assert answer["unknown"] == []
    assert answer["ops"] > 30
    assert answer["foreign"] == []
    assert answer["token_ids"] == small.encode(texts, max_length=9)["token_ids"].numpy().tolist()
    assert (answer["starts"], answer["limits"]) == (starts.to_list(), limits.to_list())
    assert answer["words"] == [words.decode() for words in small.detokenize(ids).numpy()]


@pytest.mark.slow
def test_importing_the_tokenizer_imports_no_tensorflow_text():
    code = (
        "import sys, tfbert; tfbert.BertTokenizer; print('tensorflow_text' in sys.modules, 'keras_hub' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
