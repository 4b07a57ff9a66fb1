"""Tests of nbs/demos/47_libero.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import dataclasses

import numpy as np
import pytest

from prism_repro.demos import libero_articulated
from prism_repro.demos.kit import correlated_noise, follow
from prism_repro.demos.libero import MISHAPS, draw_style, goals, holds, waypoints


@pytest.fixture(scope="module")
def env():
    from prism_repro.envs.robosuite import RobosuiteEnv

    return RobosuiteEnv("libero_spatial_2", render=None)


def test_the_goal_is_read_and_judged_by_the_benchmark(env):
    env.reset(0)
    assert goals(env) == [["on", "akita_black_bowl_1", "plate_1"]] and not holds(env, goals(env)[0])


@pytest.mark.parametrize("mishap", MISHAPS)
def test_the_bowl_reaches_the_plate_after_every_mishap(env, mishap):
    env.reset(3)
    rng, closings, last = np.random.default_rng(3), 0, -1
    style = dataclasses.replace(draw_style(rng), mishap=mishap)
    for steps, action in enumerate(follow(env, waypoints(env, style), correlated_noise(rng, 0.03), style.speed)):
        assert np.abs(action).max() <= 1 and steps < 350
        closings, last = closings + (action[6] > 0 > last), action[6]
        env.step(action)
    assert env.success() and closings >= 1 + (mishap != "none")


def test_what_falls_is_picked_up_again(env):
    "The fingers are opened by somebody else in mid-air; the expert returns for the bowl."
    env.reset(1)
    style, noise, dropped = dataclasses.replace(draw_style(np.random.default_rng(1)), mishap="none"), correlated_noise(np.random.default_rng(1), 0.0), 0
    start = env.object_pose()[0][2]
    for action in follow(env, waypoints(env, style), noise, style.speed):
        if dropped < 10 and env.object_pose()[0][2] > start + 0.04:
            dropped += 1
        if 0 < dropped < 10:
            dropped += 1
            action[6] = -1.0
        env.step(action)
    assert dropped == 10 and env.success()


def test_one_style_a_seed_and_the_fields_that_skills_read():
    first, again = (draw_style(np.random.default_rng([7, 1])) for _ in range(2))
    assert all(np.array_equal(getattr(first, f.name), getattr(again, f.name)) for f in dataclasses.fields(first))
    skills = libero_articulated.draw_style(np.random.default_rng(0))
    assert {f.name for f in dataclasses.fields(skills)} <= {f.name for f in dataclasses.fields(first)}
    share = np.mean([draw_style(np.random.default_rng([seed, 1])).mishap != "none" for seed in range(2000)])
    assert 0.08 < share < 0.12


def test_every_task_of_both_suites_has_an_expert():
    "Statements that pick and place cannot make true belong to tasks with skills."
    from prism_repro.demos.collect import expert_of
    from prism_repro.envs.tasks import SUITES

    for suite in ("libero_spatial", "libero_10"):
        assert all(expert_of(task).__name__ == "prism_repro.demos.libero" for task in SUITES[suite])
    assert set(libero_articulated.SKILLS) == {f"libero_10_{i}" for i in (2, 3, 5, 8, 9)}
