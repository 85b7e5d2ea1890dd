"""A few random kills of every recipe; `measure_kills.py` makes as many as one likes."""

import random

import jobs
import pytest


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [*(job.recipe for job in jobs.JOBS), "prepare_corpus"])
def test_killed_at_a_random_moment_the_same_command_goes_on_to_the_same_end(trials, recipe, request):
    job = next(job for job in jobs.JOBS if job.recipe == recipe)
    said = trials.kill_and_go_on(job, [random.Random(request.node.name).uniform(0.1, 0.8)])
    assert "killed at" in said
