"""What machines do to recipes, but for kills: one clear line, nothing half-written, the same command goes on."""

import ast
import json
import re
import shutil
import signal
import time
from pathlib import Path

import jobs
import pytest
from safetensors import safe_open

import tfbert

JOBS = {job.recipe: job for job in jobs.JOBS}
WRITERS = [recipe for recipe in JOBS if recipe != "serve"]
# Trains until it is ended, saving at every step.
ENDLESS = ("--steps 1000000 --evaluations 2 --corpus {inputs}/corpus --encoder {inputs}/bert --sequence-length 32 "
           "--batch-size 16 --evaluation-rows 16 --output out --save-seconds {save}")  # fmt: skip


def one_line(process, pattern, status=2):
    assert process.wait() == status, process.error()[-3000:]
    lines = [line for line in process.error().splitlines() if not re.match(r"[IWE]0000|WARNING|To enable", line)]
    assert len(lines) == 1, process.error()[-3000:]
    assert re.search(pattern, lines[0]), lines[0]


def goes_on(trials, job, folder):
    """Run the same command to its end, which is that of an undisturbed run."""
    process = trials.server.run(job.recipe, job.command(trials.inputs), folder)
    assert process.status == 0, process.error()[-3000:]
    assert job.result(folder / jobs.OUTPUT) == trials.expected(job)[0]
    assert not list(folder.rglob(".partial-*"))


def until(condition, process, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.error()[-3000:]
        assert time.monotonic() < deadline
        process.server.read(0.002)


def training(trials, folder, save="0", corpus=None):
    """Start an endless pre-training, and wait until it trains."""
    flags = ENDLESS.format(inputs=trials.inputs, save=save).replace(
        f"{trials.inputs}/corpus", str(corpus or trials.inputs / "corpus")
    )
    process = trials.server.start("pretrain", flags.split(), folder)
    state = folder / "out" / "state"
    until((state / ("samples.json" if save != "0" else "state_before.safetensors")).exists, process)
    return process


def saved_step(folder):
    with safe_open(folder / "out" / "state" / "state.safetensors", framework="numpy") as file:
        return json.loads(file.metadata()["progress"])["step"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", WRITERS)
def test_a_folder_that_cannot_be_written(trials, tmp_path, recipe):
    place = tmp_path / "place"
    place.mkdir()
    flags = JOBS[recipe].command(trials.inputs)
    flags = [str(place / "out") if flag == "out" else flag for flag in flags]
    place.chmod(0o555)
    process = trials.server.run(recipe, flags, tmp_path / "work", faults=["forbid_overriding_permissions"])
    one_line(process, r"place.*(Permission denied|cannot|could not)")
    assert list(place.iterdir()) == []


# The others have tests of their own beside their recipes'.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "most_bytes"), [("export_model", 60_000), ("convert_checkpoint", 30_000), ("train_vocabulary", 1_000)]
)
def test_a_full_disk(trials, tmp_path, recipe, most_bytes):
    """No file may grow past so many bytes, as on a disk that is full."""
    job = JOBS[recipe]
    process = trials.server.run(
        recipe, job.command(trials.inputs), tmp_path / "run", limits={"RLIMIT_FSIZE": most_bytes}
    )
    one_line(process, "Free some space")
    # The folder of a model's versions stays, without any.
    assert [path for path in (tmp_path / "run").rglob("*") if path.suffix not in (".stdout", ".stderr")] in (
        [],
        [tmp_path / "run" / "out"],
    )
    goes_on(trials, job, tmp_path / "run")


@pytest.mark.slow
def test_sigterm_saves_the_step_that_runs(trials, tmp_path):
    """Without it nothing would be saved before the first evaluation, 500,000 steps away."""
    process = training(trials, tmp_path, save="1e9")
    time.sleep(2)
    process.signal(signal.SIGTERM)
    one_line(process, "ended by SIGTERM; what was saved is kept, and the same command goes on", status=143)
    assert saved_step(tmp_path) > 0
    assert not list(tmp_path.rglob(".partial-*"))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["prepare_corpus", "train_vocabulary"])
def test_sigterm_leaves_nothing_half_written(trials, tmp_path, recipe):
    job = JOBS[recipe]
    _, seconds = trials.expected(job)
    process = trials.server.start(recipe, job.command(trials.inputs), tmp_path)
    until(lambda: process.cpu_seconds() > 0.6 * seconds, process)
    process.signal(signal.SIGTERM)
    one_line(process, "ended by SIGTERM", status=143)
    assert not list(tmp_path.rglob(".partial-*"))
    goes_on(trials, job, tmp_path)


def removed(path):
    path.unlink()


def changed(path):
    path.write_bytes(path.read_bytes()[:-1] + b"\1")


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "said"), [(removed, "removed"), (changed, "changed")])
def test_a_shard_that_changes_during_training(trials, tmp_path, damage, said):
    corpus = shutil.copytree(trials.inputs / "corpus", tmp_path / "corpus")
    process = training(trials, tmp_path / "run", corpus=corpus)
    damage(corpus / "train-00000.safetensors")
    one_line(process, rf"train-00000\.safetensors: the shard was {said} while it was read.*run again")
    jobs.check_whole(tmp_path / "run")
    assert saved_step(tmp_path / "run") > 0


@pytest.mark.slow
def test_a_state_that_was_cut_short(trials, tmp_path):
    """The state before it goes on, which is said, and the end is the same."""
    job = JOBS["pretrain"]
    process = trials.server.start("pretrain", job.command(trials.inputs), tmp_path)
    state, before = (tmp_path / "out" / "state" / f"{name}.safetensors" for name in ("state", "state_before"))
    until(before.exists, process)
    process.signal(signal.SIGKILL)
    process.wait()
    # The kill may have come between the two renames, when there is none.
    state.write_bytes(before.read_bytes()[:1000])
    process = trials.server.run("pretrain", job.command(trials.inputs), tmp_path)
    assert process.status == 0, process.error()[-3000:]
    assert re.search(r"state\.safetensors: .* cannot be read .*; going on from the one before", process.error())
    assert job.result(tmp_path / "out") == trials.expected(job)[0]


@pytest.mark.slow
def test_a_clock_that_jumps(trials, tmp_path):
    """By up to a year, back and forth, at every look at it."""
    job = JOBS["pretrain"]
    flags = [*job.command(trials.inputs)]
    process = trials.server.run("pretrain", flags, tmp_path, faults=["jump_the_clock"])
    assert process.status == 0, process.error()[-3000:]
    assert job.result(tmp_path / "out") == trials.expected(job)[0]


def test_no_time_of_day_is_read():
    """A clock that is set while a run goes on would make it save too often, or never, or train for other steps."""
    wall_clocks = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
    package = Path(tfbert.__file__).parent
    for path in [*package.rglob("*.py"), *(package.parent / "recipes").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                called = ".".join(ast.unparse(node).split(".")[-2:])
                assert called not in wall_clocks, f"{path}:{node.lineno}"


@pytest.mark.slow
def test_two_runs_on_one_folder(trials, tmp_path):
    job = JOBS["prepare_corpus"]
    first = trials.server.start(job.recipe, job.command(trials.inputs), tmp_path)
    until((tmp_path / "out" / "settings.json").exists, first)
    first.signal(signal.SIGSTOP)
    try:
        second = trials.server.run(job.recipe, job.command(trials.inputs), tmp_path)
        one_line(second, "out: another run is using this folder")
    finally:
        first.signal(signal.SIGCONT)
    assert first.wait() == 0, first.error()[-3000:]
    assert job.result(tmp_path / "out") == trials.expected(job)[0]


@pytest.mark.slow
def test_two_runs_that_make_one_folder(trials, tmp_path):
    """They begin at once; the second to end is refused, and the first one's folder stays."""
    job = JOBS["train_vocabulary"]
    both = [trials.server.start(job.recipe, job.command(trials.inputs), tmp_path) for _ in range(2)]
    statuses = [process.wait() for process in both]
    assert sorted(statuses) == [0, 2]
    one_line(both[statuses.index(2)], "another run has made this folder meanwhile")
    assert job.result(tmp_path / "out") == trials.expected(job)[0]
