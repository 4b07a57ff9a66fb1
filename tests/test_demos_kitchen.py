"""Tests of nbs/demos/50_kitchen.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

pytest.importorskip("gymnasium_robotics")

from prism_repro.demos.kitchen import EXPERTS, draw_style, run_expert, within_reach
from prism_repro.demos.kitchen_kit import Arm
from prism_repro.envs.kitchen import TASKS, KitchenEnv


def test_there_is_an_expert_for_every_task():
    assert set(EXPERTS) == set(TASKS)


@pytest.mark.parametrize("task", ["knob1_on", "light_on", "sdoor_open", "micro_open"])
def test_the_expert_solves_it_in_the_protocols_50_steps(task):
    env, solved = KitchenEnv(task), 0
    for seed in range(2000, 2008):
        for action in run_expert(env, seed):
            assert action.shape == (9,) and np.abs(action).max() <= 1
            env.step(action)
        solved += env.success()
    assert solved >= 7


def test_the_left_door_opens_where_the_arm_can_reach_it():
    env, tried, solved = KitchenEnv("ldoor_open"), 0, 0
    for seed in range(2000, 2020):
        env.reset(seed)
        if within_reach(Arm(env)):
            for action in run_expert(env, seed, 80):
                env.step(action)
            tried, solved = tried + 1, solved + env.success()
    assert 4 <= tried <= 14 and solved >= 0.5 * tried


def test_an_episode_is_a_function_of_its_seed():
    env = KitchenEnv("light_on")

    def actions(seed):
        found = []
        for action in run_expert(env, seed, 12):
            env.step(action)
            found.append(action)
        return np.array(found)

    first = actions(5)
    assert not np.array_equal(actions(6), first) and np.array_equal(actions(5), first)
    assert len(first) == 12 and draw_style(np.random.default_rng(1)).yaw != draw_style(np.random.default_rng(2)).yaw
