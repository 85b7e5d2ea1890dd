"""One server of recipes for all tests here, and what the recipes read."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import measure_kills
import processes


@pytest.fixture(scope="session")
def trials(tmp_path_factory):
    """The server, the inputs of every job, and undisturbed runs as they are asked for."""
    with processes.recipe_server() as server:
        yield measure_kills.Trials(server, tmp_path_factory.mktemp("faults") / "trials")
