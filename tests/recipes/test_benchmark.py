import importlib
import json
import re

import pytest

from tfbert.cli import run_recipe

recipe = importlib.import_module("tfbert.recipes.benchmark")


def run(*flags):
    run_recipe(recipe.main, recipe.Settings, [str(flag) for flag in flags])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tasks", "serving,cooking"], r"--tasks must be some of serving, .*'serving,cooking'"),
        (["--tasks", "serving,serving"], "each once"),
        (["--peers", "theano"], "--peers must be some of keras_hub, onnxruntime"),
        (["--precision", "float16"], "--precision must be some of float32, bfloat16, int8"),
        (["--rounds", 0], "--rounds must be at least 1; received 0"),
        (["--threads", 0], "--threads must be at least 1"),
        (["--batches", -1], "--batches must be at least 1"),
        (["--length", 16], "--length must be at least 32"),
        (["--model", "nowhere"], "--model must be one of tiny, minilm, base, or a checkpoint folder"),
        (["--output", "there"], "there is there already"),
    ],
)
def test_bad_settings_are_one_line(tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    with pytest.raises(SystemExit, match="2"):
        run("--output", "out", *flags)
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_task_runs_in_the_precisions_that_it_knows():
    settings = recipe.Settings(tasks="serving,tokenizing,fine_tuning", precision="int8,bfloat16")
    assert list(recipe._tasks_and_precisions(settings)) == [
        ("serving", "int8"),
        ("serving", "bfloat16"),
        ("tokenizing", "float32"),
        ("fine_tuning", "bfloat16"),
    ]


@pytest.mark.slow
def test_every_task_with_the_peers_that_are_installed(tmp_path, capsys):
    run("--rounds", 2, "--batches", 2, "--output", tmp_path / "out")
    figures = json.loads((tmp_path / "out/benchmark.json").read_text())
    assert {each["task"] for each in figures["results"]} == set(recipe.Settings.tasks.split(","))
    for each in figures["results"]:
        for name, system in each["systems"].items():
            assert len(system["wall"]) == 2, (each["case"], name)
            assert min(system["wall"] + system["cpu"]) > 0
        products = each["systems"]["tfbert"]["share_of_ceiling"]
        assert products is None or products > 0
    by_case = {(each["case"], each["precision"]): each["systems"] for each in figures["results"]}
    # These come with tfbert.
    assert "keras_hub" in by_case["a step", "float32"]
    assert "tf_text" in by_case["batches of 512", "float32"]
    written = capsys.readouterr().out
    for name, reason in figures["not_measured"].items():
        assert f"{name}: not measured, {reason}" in written
    table = (tmp_path / "out/table.md").read_text()
    assert "| serving: one review | float32 |" in table
    assert "GFLOP/s in float32" in table
    assert "<svg" in (tmp_path / "out/benchmark.svg").read_text()
