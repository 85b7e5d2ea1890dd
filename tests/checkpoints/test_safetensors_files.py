import json
import os

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from tfbert.checkpoints import load_encoder, save
from tfbert.checkpoints.safetensors_files import open_tensors, write_tensors
from tfbert.errors import InputError


def test_files_may_be_read_by_whom_the_umask_lets(models, tmp_path):
    before = os.umask(0o027)
    try:
        save(models["encoder"], tmp_path / "it", format="huggingface")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "it").iterdir()} == {0o640}


def test_a_tensor_cut_from_a_safetensors_header(copy_of):
    folder = copy_of("huggingface")
    path = folder / "model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["bert.pooler.dense.bias"]["data_offsets"][1] += 10**9
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        load_encoder(folder)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_tensors_of_several_files_are_read_as_float32(tmp_path, dtype):
    first = np.arange(6).reshape(2, 3).astype(dtype) / dtype(8)
    save_file({"a": first, "empty": np.zeros((0, 3), dtype)}, tmp_path / "one")
    save_file({"b": first.T.copy(), "a scalar": np.array(2, dtype)}, tmp_path / "two", metadata={"format": "pt"})
    stored, read = open_tensors([tmp_path / "one", tmp_path / "two"])
    assert {name: entry.shape for name, entry in stored.items()} == {
        "a": (2, 3),
        "b": (3, 2),
        "a scalar": (),
        "empty": (0, 3),
    }
    for name, value in (("a", first), ("b", first.T), ("a scalar", 2.0), ("empty", np.zeros((0, 3)))):
        assert read(name).dtype == np.float32
        np.testing.assert_array_equal(read(name), np.asarray(value, "float32"))


def test_a_tensor_in_two_files(tmp_path):
    for name in ("one", "two"):
        write_tensors(tmp_path / name, {"a": np.zeros(3, "float32")})
    with pytest.raises(InputError, match=r"two holds a, which .*one holds too"):
        open_tensors([tmp_path / "one", tmp_path / "two"])
