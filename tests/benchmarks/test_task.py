import numpy as np
import pytest

from tfbert.benchmarks.task import TASKS, DisagreementError, Setup, relative_differences, task_named


def test_the_differences_of_what_both_have():
    ours = {"a": np.array([3.0, 4.0]), "b": np.ones(2)}
    assert relative_differences(ours, {"a": np.array([3.0, 4.5]), "c": np.ones(1)}) == {"a": pytest.approx(0.1)}
    assert np.isnan(relative_differences(ours, {"b": np.array([np.nan, 1])})["b"])
    with pytest.raises(DisagreementError, match=r"\(2,\) and \(1,\)"):
        relative_differences(ours, {"b": np.ones(1)})


def test_a_setup_is_read_as_it_was_written(tmp_path):
    setup = Setup(model="base", data="it.csv", precision="bfloat16", threads=3, batches=4, length=64, rows=8)
    setup.write(tmp_path)
    assert Setup.read(tmp_path) == setup


@pytest.mark.parametrize("name", TASKS)
def test_every_task_says_what_it_must(name):
    task = task_named(name)
    assert set(task.PRECISIONS) == set(task.TOLERANCES)
    assert next(iter(task.SYSTEMS)) == "tfbert"
    assert set(task.SYSTEMS["tfbert"].precisions) == set(task.PRECISIONS)
    assert callable(task.write)
