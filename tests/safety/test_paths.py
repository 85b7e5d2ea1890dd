"""Names that come from files, and links, lead nowhere outside their folder."""

import json

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file
from tensorflow.core.protobuf import saved_model_pb2

from tfbert.checkpoints import inspect
from tfbert.data.records import FORMAT, Corpus
from tfbert.errors import InputError
from tfbert.server.batching import BatchingParameters
from tfbert.server.loaded_model import LoadedModel
from tfbert.server.metrics import Metrics
from tfbert.server.model_configs import versions_in
from tfbert.server.status_codes import StatusError

CONFIG = {"model_type": "bert", "vocab_size": 7, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
          "intermediate_size": 8, "max_position_embeddings": 8, "hidden_act": "gelu"}  # fmt: skip
OUTSIDE = ["../part.safetensors", "{root}/part.safetensors", "inner/../../part.safetensors", "link.safetensors"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_the_index_of_a_checkpoint_in_parts(tmp_path, name):
    folder = tmp_path / "bert"
    (folder / "inner").mkdir(parents=True)
    save_file({"classifier.weight": np.ones((2, 4), "f4")}, tmp_path / "part.safetensors")
    (folder / "link.safetensors").symlink_to(tmp_path / "part.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    index = {"weight_map": {"classifier.weight": name.format(root=tmp_path)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="leads out of its folder"):
        inspect(folder)
    save_file({"classifier.weight": np.ones((2, 4), "f4")}, folder / "inner" / "part.safetensors")
    index = {"weight_map": {"classifier.weight": "inner/part.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "classifier.weight" in inspect(folder).tensors


@pytest.mark.parametrize(
    "name", ["..", "../train-00000.safetensors", "/etc/passwd", "a/train-00000.safetensors", "", "."]
)
def test_the_manifest_of_a_corpus(tmp_path, name):
    manifest = {"format": FORMAT, "shards": {"train": [{"file": name}], "held_out": []}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"a shard lies in the corpus folder and has a name such as"):
        Corpus.open(tmp_path)


@pytest.fixture
def version(tmp_path):
    """A SavedModel that looks words up in a vocabulary, beside a file that is none of its business."""
    (tmp_path / "secret.txt").write_text("password\n")
    (tmp_path / "words.txt").write_text("good\nbad\n")

    class Words(tf.Module):
        def __init__(self):
            super().__init__()
            self.path = tf.saved_model.Asset(str(tmp_path / "words.txt"))
            table = tf.lookup.TextFileInitializer(
                self.path, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
            )
            self.table = tf.lookup.StaticHashTable(table, -1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def serve(self, text):
            return {"number": self.table.lookup(text)}

    words = Words()
    tf.saved_model.save(words, str(tmp_path / "words" / "1"), signatures=words.serve)
    return tmp_path / "words" / "1"


def numbers(version):
    model = LoadedModel(version, "words", 1, BatchingParameters(), Metrics())
    text = np.array([b"bad", b"password"], object)
    return model.predict("", {"text": text})["number"].tolist()


def test_the_assets_of_a_served_version(version):
    assert numbers(version) == [1, -1]
    path = version / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    saved.meta_graphs[0].asset_file_def[0].filename = "../../../secret.txt"
    path.write_bytes(saved.SerializeToString())
    with pytest.raises(StatusError, match=r"the asset '\.\./\.\./\.\./secret\.txt' leads out of the version's folder"):
        numbers(version)


def test_an_asset_that_is_a_link(version):
    asset = version / "assets" / "words.txt"
    asset.unlink()
    asset.symlink_to(version.parents[1] / "secret.txt")
    with pytest.raises(StatusError, match=r"the asset 'words\.txt' leads out of the version's folder"):
        numbers(version)


def test_a_version_may_be_a_link_to_its_folder(version):
    """As deployments have it that keep the versions elsewhere: whoever may make the link may copy the folder, too."""
    elsewhere = version.rename(version.parents[1] / "elsewhere")
    version.symlink_to(elsewhere)
    assert numbers(version) == [1, -1]
    assert versions_in(version.parent) == {1: version}
