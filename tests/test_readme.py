import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def text():
    return README.read_text(encoding="utf-8")


def test_the_python_runs(text, tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "'probabilities'" in done.stdout
    assert (tmp_path / "serving" / "reviews" / "1" / "saved_model.pb").exists()


def test_its_flags_exist(text):
    from tfbert.recipes.finetune_reviews import Settings

    known = {"--" + field.name.replace("_", "-") for field in fields(Settings)}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--help"}
    assert {"--data", "--encoder", "--seeds"} <= used & known
    of_others = {"--dir", "--tag", "--signature", "--input", "--no-deps"}
    assert {flag for flag in used - known if not any(flag.startswith(other) for other in of_others)} == set()


def test_its_files_exist(text):
    root = README.parent
    for path in re.findall(r"`(recipes/\w+\.py|tfbert/[\w/.]+)`", text):
        assert (root / path).exists(), path
