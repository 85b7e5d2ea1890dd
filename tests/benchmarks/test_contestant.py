import mmap
import subprocess
import sys
import time

import pytest

from tfbert.benchmarks import contestant


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_wall_and_cpu_seconds_of_all_iterations():
    def iteration():
        burn(0.05)
        time.sleep(0.05)

    wall, cpu = contestant.timed(iteration, 3)
    assert wall > 0.25
    assert 0.14 < cpu < 0.3


def test_processes_that_it_starts_count():
    code = "import time\nwhile time.process_time() < 0.3: pass"
    wall, cpu = contestant.timed(lambda: subprocess.run([sys.executable, "-c", code], check=True) and None, 1)
    assert cpu > 0.29
    assert wall > 0.25


def test_an_iteration_that_times_itself():
    figures = iter([(1.0, 2.0), (3.0, 5.0)])
    assert contestant.timed(lambda: next(figures), 2) == (4.0, 7.0)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone forgets a peak")
def test_the_peak_is_that_since_it_was_forgotten():
    contestant._forget_peak_memory()
    before = contestant._peak_memory()
    # A mapping, since memory that was allocated may be kept when it is freed.
    with mmap.mmap(-1, 400_000_000) as large:
        for _ in range(400):
            large.write(b"x" * 1_000_000)
    assert contestant._peak_memory() > before + 100_000_000
    contestant._forget_peak_memory()
    assert contestant._peak_memory() < before + 100_000_000
