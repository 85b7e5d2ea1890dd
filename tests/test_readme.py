import importlib
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def text():
    return README.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_python_runs(text, tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "'probabilities'" in done.stdout
    assert (tmp_path / "serving" / "reviews" / "1" / "saved_model.pb").exists()


def flags_of(recipe):
    settings = fields(importlib.import_module(f"tfbert.recipes.{recipe.replace('-', '_')}").Settings)
    switches = {"--no-" + field.name.replace("_", "-") for field in settings if field.type in (bool, "bool")}
    return {"--" + field.name.replace("_", "-") for field in settings} | switches | {"--help"}


def test_its_commands_have_such_flags(text):
    commands = re.findall(
        r"(?:tfbert |recipes/)([a-z]+[-_][a-z]+|pretrain|serve)(?:\.py)?((?: [^\n`]*\\\n)*[^\n`]*)", text
    )
    used = [(recipe, flag) for recipe, rest in commands for flag in FLAG.findall(rest)]
    assert {recipe for recipe, _ in used} >= {"finetune-reviews", "prepare-corpus", "pretrain", "export-model"}
    assert [(recipe, flag) for recipe, flag in used if flag not in flags_of(recipe)] == []


def test_its_flags_exist(text):
    """Of a recipe, or of saved_model_cli and pip."""
    recipes = [path.stem for path in (README.parent / "recipes").glob("[a-z]*.py") if path.stem != "make_sample"]
    known = set().union(*map(flags_of, recipes))
    of_others = {"--dir", "--tag", "--signature", "--input", "--no-deps"}
    assert [each for each in {*FLAG.findall(text)} - known if not each.startswith(tuple(of_others))] == []


def test_its_files_exist(text):
    root = README.parent
    for path in re.findall(r"`(recipes/\w+\.py|tfbert/[\w/.]+)`", text):
        assert (root / path).exists(), path
