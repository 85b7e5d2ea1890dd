"""The everyday share of fuzzing: what was found once, and some hundred mutations of whole inputs, on each target."""

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fuzzing

TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in Path(__file__).parent.glob("fuzz_*.py"))


def load(name):
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", Path(__file__).with_name(f"fuzz_{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", TARGETS)
def test_whole_inputs_found_ones_and_their_mutations(name):
    target = load(name)
    whole = [*target.seeds(), *fuzzing.kept(name)]
    for data in [*whole, b"", *fuzzing.mutations(whole, 300)]:
        try:
            target.one_input(data)
        except Exception as error:
            error.add_note(f"fuzz_{name}: {data!r}")
            raise


def test_mutations_differ_and_can_be_drawn_again():
    first, second = (list(fuzzing.mutations([b"abc", b"{}"], 200, seed=3)) for _ in range(2))
    assert first == second
    assert len({*first}) > 100
