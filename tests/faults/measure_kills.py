"""Kill recipes at random moments, run the same command again, and compare with runs that were never disturbed.

    python tests/faults/measure_kills.py --kills 100
    python tests/faults/measure_kills.py --kills 20 --recipes pretrain,serve

Prints a line for each kill, and what came of all. A kill is SIGKILL to the process and all it has started, when it has
computed for a share of what an undisturbed run computes that is drawn at random; a few are killed several times.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from jobs import JOBS, OUTPUT, Job, answers, check_whole, end, make_inputs
from processes import RecipeServer, recipe_server


class Trials:
    """Undisturbed runs, made when first asked for, and disturbed ones."""

    def __init__(self, server: RecipeServer, folder: Path):
        self.server = server
        self.folder = folder
        self.inputs = folder / "inputs"
        make_inputs(server, self.inputs)
        self._expected: dict[str, tuple[Any, float]] = {}
        self._count = 0

    def expected(self, job: Job) -> tuple[Any, float]:
        """Return the result of an undisturbed run, and the CPU seconds that it takes."""
        if job.recipe not in self._expected:
            folder = self.folder / f"whole-{job.recipe}"
            process = self.server.start(job.recipe, job.command(self.inputs), folder)
            if job.recipe == "serve":
                result, seconds = answers(process), process.cpu_seconds()
                end(process)
            else:
                seconds = 0.0
                while process.poll() is None:
                    seconds = process.cpu_seconds() or seconds
                    self.server.read(0.02)
                assert process.status == 0, process.error()[-3000:]
                result = job.result(folder / OUTPUT)
            self._expected[job.recipe] = result, seconds
        return self._expected[job.recipe]

    def kill_and_go_on(self, job: Job, shares: list[float]) -> str:
        """Kill a job after each share of an undisturbed run's CPU time, let it end, compare; return what happened.

        Raises:
            AssertionError: something was lost, half-written or different.
        """
        expected, whole_seconds = self.expected(job)
        self._count += 1
        folder = self.folder / f"killed-{self._count}"
        said = []
        for share in shares:
            process = self.server.start(job.recipe, job.command(self.inputs), folder)
            while process.poll() is None and process.cpu_seconds() < share * whole_seconds:
                self.server.read(0.001)
            process.signal(signal.SIGKILL)
            process.wait(60)
            if process.status == 0:
                said.append("ended before")
                break
            assert process.status == -signal.SIGKILL, process.error()[-3000:]
            said.append(f"killed at {share:.0%} of {whole_seconds:.1f} s")
        check_whole(folder)
        output = folder / OUTPUT
        before = {path: path.stat().st_mtime_ns for path in output.glob(job.keeps)} if job.keeps else {}
        if said[-1] != "ended before":
            start = time.monotonic()
            process = self.server.start(job.recipe, job.command(self.inputs), folder)
            if job.recipe == "serve":
                found = answers(process)
                end(process)
            else:
                # Where all was done but to say so, it is not done again.
                assert process.wait() == 0 or job.done in process.error(), process.error()[-3000:]
                found = job.result(output)
            said.append(f"went on for {time.monotonic() - start:.1f} s")
            assert "Traceback" not in process.error(), process.error()
        else:
            found = job.result(output)
        assert found == expected, _difference(found, expected)
        for path, changed in before.items():
            assert path.stat().st_mtime_ns == changed, f"{path} was whole, and made again"
        left = [path for path in folder.rglob(".partial-*")]
        assert not left, left
        shutil.rmtree(folder)
        return ", ".join(said)


def _difference(found: Any, expected: Any, name: str = "the result") -> str:
    """Say where two results first differ."""
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        pairs = [(key, found[key], expected[key]) for key in found]
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = [(number, *pair) for number, pair in enumerate(zip(found, expected, strict=True))]
    else:
        return f"{name}: {found!r:.200} instead of {expected!r:.200}"
    return next(_difference(one, other, f"{name}/{key}") for key, one, other in pairs if one != other)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--recipes", default=",".join(job.recipe for job in JOBS))
    chosen = arguments.parse_args()
    draw = random.Random(chosen.seed)
    jobs = [job for job in JOBS if job.recipe in chosen.recipes.split(",") for _ in range(job.weight)]
    draw.shuffle(jobs)
    kills = recovered = 0
    with tempfile.TemporaryDirectory() as folder, recipe_server() as server:
        trials = Trials(server, Path(folder) / "trials")
        while kills < chosen.kills:
            job = jobs[kills % len(jobs)]
            share = draw.uniform(0.0, 1.0)
            try:
                said = trials.kill_and_go_on(job, [share])
                if "killed" not in said:
                    continue
                recovered += 1
            except (AssertionError, OSError, ValueError) as error:
                said = f"FAILED at {share:.0%}: {error}"
            kills += 1
            print(f"{kills:>4}  {job.recipe:<19}{said}", flush=True)
    print(f"{recovered} of {kills} recovered")
    sys.exit(recovered < kills)


if __name__ == "__main__":
    main()
