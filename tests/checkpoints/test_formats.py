"""The kind of a folder is found from its contents."""

import shutil

import pytest

from tfbert.checkpoints import load_encoder
from tfbert.errors import InputError


def test_not_a_checkpoint_folder(tmp_path):
    with pytest.raises(InputError, match="not there"):
        load_encoder(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no checkpoint"):
        load_encoder(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="a file"):
        load_encoder(tmp_path / "file")


def test_two_kinds_in_one_folder(copy_of):
    google, theirs = copy_of("google"), copy_of("huggingface")
    shutil.copytree(theirs, google, dirs_exist_ok=True)
    with pytest.raises(InputError, match="two kinds"):
        load_encoder(google)
