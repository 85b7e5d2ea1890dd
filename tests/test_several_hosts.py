import importlib
import json
import os
import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "several_hosts.md"


@pytest.fixture(scope="module")
def text():
    return PAGE.read_text(encoding="utf-8")


def flags_of(recipe):
    settings = importlib.import_module(f"tfbert.recipes.{recipe.replace('-', '_')}").Settings
    return {"--" + field.name.replace("_", "-") for field in fields(settings)}


def test_its_commands_have_such_flags(text):
    launches = re.findall(r"tfbert launch (.*?) (pretrain|finetune-reviews) (.*)", text)
    commands = re.findall(r"tfbert (pretrain|serve-batches)((?:[^\n`#]*\\\n)*[^\n`#]*)", text)
    assert len(launches) == 1
    assert len(commands) == 4
    for flags, recipe, rest in launches:
        commands += [("launch", flags), (recipe, rest)]
    for recipe, rest in commands:
        assert set(re.findall(r"--[a-z-]+", rest)) <= flags_of(recipe), recipe
    for flag in re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE):
        assert flag in flags_of("pretrain")


def test_the_slurm_script_is_bash(text):
    (script,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert script.startswith("#!/bin/bash\n#SBATCH ")


def test_the_manifest_names_the_workers(text):
    """Its YAML is read, and its command run with another end, for the third pod."""
    yaml = pytest.importorskip("yaml")
    (manifest,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    service, job = yaml.safe_load_all(manifest)
    assert service["spec"]["selector"]["job-name"] == job["metadata"]["name"]
    pod = job["spec"]["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"]
    (container,) = pod["containers"]
    (script,) = container["args"]
    script, command = script.split("exec tfbert")
    assert "--strategy multi_worker" in command
    done = subprocess.run(
        [*container["command"], script + 'echo "$TF_CONFIG"'],
        env={**os.environ, "JOB_COMPLETION_INDEX": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    config = json.loads(done.stdout)
    assert config["task"] == {"type": "worker", "index": 2}
    name, port = job["metadata"]["name"], service["spec"]["ports"][0]["port"]
    count = job["spec"]["completions"]
    assert config["cluster"] == {"worker": [f"{name}-{index}.{name}:{port}" for index in range(count)]}
