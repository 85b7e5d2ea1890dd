"""A small model of each kind, and copies of the golden folders for tests that break them."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def copy_of(golden, tmp_path):
    """A function that copies a golden folder, without its outputs, to where a test may break it."""

    def copy(kind: str) -> Path:
        folder = tmp_path / kind
        folder.mkdir()
        for path in (golden / f"{kind}_checkpoint").iterdir():
            if path.name != "expected.npz":
                shutil.copyfile(path, folder / path.name)
        return folder

    return copy


@pytest.fixture(scope="session")
def models():
    """A model of each kind, not to be changed."""
    from folders import make_model

    return {kind: make_model(kind) for kind in ("encoder", "masked_lm", "pretrainer", "classifier")}
