import numpy as np
import pytest

from tfbert.benchmarks.measurements import Run, measure, ratio, turns


class Machine:
    """A clock that each system moves on by its own time, and a record of who ran."""

    def __init__(self):
        self.ran, self.slowness = [], 1.0

    def system(self, name, seconds):
        def run(iterations):
            self.ran.append((name, iterations))
            return Run(
                wall=self.slowness * seconds * iterations, cpu=2 * seconds * iterations, peak_bytes=len(self.ran)
            )

        return run

    def measure(self, rounds, **seconds):
        systems = {name: self.system(name, each) for name, each in seconds.items()}
        return measure(systems, rounds, pause=lambda _: None)


def test_the_order_is_turned_round_in_every_other_round():
    machine = Machine()
    machine.measure(4, ours=1.0, theirs=2.0)
    timed = "".join(name[0] for name, _ in machine.ran[-8:])
    assert timed == "ottootto"
    assert list(turns("abc", 2)) == [["a", "b", "c"], ["c", "b", "a"]]


def test_each_is_prepared_and_runs_long_enough_for_the_clock():
    machine = Machine()
    found = machine.measure(1, quick=0.01, slow=0.4, long=20.0)
    assert machine.ran == [
        ("quick", 1), ("quick", 1), ("slow", 1), ("slow", 1), ("long", 1),
        ("quick", 30), ("slow", 1), ("long", 1),
    ]  # fmt: skip
    assert found["quick"].wall == pytest.approx([0.01])  # of one iteration
    assert found["quick"].cpu == pytest.approx([0.02])
    assert (found["quick"].iterations, found["slow"].iterations) == (30, 1)


def test_as_many_iterations_as_the_work_asks_for():
    machine = Machine()
    found = measure({"it": machine.system("it", 0.001)}, 2, iterations=3, pause=lambda _: None)
    assert machine.ran == [("it", 1), ("it", 3), ("it", 3)]
    assert found["it"].wall == pytest.approx([0.001] * 2)


def test_the_most_memory_of_any_round_is_kept():
    machine = Machine()
    assert machine.measure(3, only=1.0)["only"].peak_bytes == len(machine.ran)


def test_a_machine_that_slows_down_does_so_to_both():
    machine = Machine()

    def slowing(run):
        def slower(iterations):
            machine.slowness *= 1.05
            return run(iterations)

        return slower

    systems = {name: slowing(machine.system(name, each)) for name, each in (("ours", 1.0), ("theirs", 2.0))}
    found = measure(systems, 8, pause=lambda _: None)
    middle, low, high = ratio(found["theirs"].wall, found["ours"].wall)
    assert middle == pytest.approx(2, rel=0.03)
    assert low < 2 < high
    # One after the other, as each by itself is measured, they would be half as far apart again.
    assert np.median(found["theirs"].wall[4:]) / np.median(found["ours"].wall[:4]) > 2.8


def test_the_ratio_is_that_of_the_medians_and_its_interval_covers_it():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        # Noise that both share in a round, and noise of each.
        shared = generator.lognormal(0, 0.3, 20)
        ours, theirs = (seconds * shared * generator.lognormal(0, 0.05, 20) for seconds in (1.0, 1.5))
        middle, low, high = ratio(theirs, ours)
        assert middle == np.median(theirs) / np.median(ours)
        assert low <= middle <= high
        covered += low < 1.5 < high
    assert covered >= 88
    assert ratio([3.0] * 5, [2.0] * 5) == (1.5, 1.5, 1.5)
    assert ratio(theirs, ours) == ratio(theirs, ours)
