"""Tests of nbs/demos/46_libero_articulated.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import dataclasses

import numpy as np
import pytest

from prism_repro.demos.kit import correlated_noise, follow, read_hand
from prism_repro.demos.libero_articulated import HORIZON, SKILLS, draw_style, stands_on_burner, waypoints


def run(task, seed, tail=8, **changes):
    pytest.importorskip("libero")
    from prism_repro.envs.robosuite import RobosuiteEnv

    env = RobosuiteEnv(task, render=None)
    env.reset(seed)
    rng = np.random.default_rng([seed, 1])
    style, actions, after = dataclasses.replace(draw_style(rng), **changes), [], 0
    for action in follow(env, waypoints(env, style), correlated_noise(rng, 0.03), style.speed):
        actions.append(action)
        env.step(action)
        after += env.success()
        if after == tail or len(actions) == HORIZON:
            break
    return env, np.array(actions)


@pytest.mark.parametrize("task, mishap, closings", [("libero_10_2", "short", 3), ("libero_10_3", "none", 2), ("libero_10_8", "beside", 3), ("libero_10_9", "none", 2)])
def test_solves_the_task(task, mishap, closings):
    env, actions = run(task, 1, mishap=mishap)
    assert env.success() and np.abs(actions).max() <= 1
    assert np.sum(np.diff(actions[:, 6]) > 0) >= closings  # how often the fingers close: once for each thing, once more after a miss


def test_the_book_stays_when_it_is_let_go():
    env, actions = run("libero_10_5", 1, tail=None, mishap="none")
    for _ in range(20):
        env.step(np.array([0, 0, 0, 0, 0, 0, -1.0]))
    book, turned = env.pose("black_book_1_main")
    assert env.success() and np.linalg.norm(read_hand(env).position - book) > 0.2, "the hand is away"
    assert 13 < np.degrees(np.arccos(turned[2, 2])) < 25, "and the book leans"


def test_a_pot_beside_the_burner_or_lying_on_it_does_not_stand_there():
    class Scene:
        def __init__(self, place, turned=np.eye(3)):
            self.poses = {"pot": (np.array(place), turned), "burner": (np.zeros(3), np.eye(3))}

        def pose(self, body):
            return self.poses[body]

    assert stands_on_burner(Scene([0.04, 0.0, 0.092]), "pot", "burner")
    assert not stands_on_burner(Scene([0.09, 0.0, 0.092]), "pot", "burner")
    assert not stands_on_burner(Scene([0.0, 0.0, 0.15]), "pot", "burner")
    assert not stands_on_burner(Scene([0.0, 0.0, 0.06], np.diag([1, -1, -1.0])), "pot", "burner")


def test_every_task_has_its_skills():
    assert set(SKILLS) == {f"libero_10_{i}" for i in (2, 3, 5, 8, 9)}
