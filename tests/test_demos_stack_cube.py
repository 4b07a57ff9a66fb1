"""Tests of nbs/demos/41_stack_cube.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import dataclasses

import numpy as np
import pytest

pytest.importorskip("robosuite")

from prism_repro.demos.kit import correlated_noise, finger_yaw, follow, grasp_yaws, read_hand
from prism_repro.demos.stack_cube import A, B, HORIZON, MISHAPS, clearance, draw_style, stacked, waypoints


@pytest.fixture(scope="module")
def env():
    from prism_repro.envs.robosuite import RobosuiteEnv

    return RobosuiteEnv("stack_cube", render=None)


def run(env, seed, steps=400, **changes):
    env.reset(seed)
    rng = np.random.default_rng([seed, 1])
    style, actions = dataclasses.replace(draw_style(rng), **changes), []
    for action in follow(env, waypoints(env, style), correlated_noise(rng, 0.03), style.speed):
        actions.append(action)
        env.step(action)
        if len(actions) == steps:
            break
    return np.array(actions)


@pytest.mark.parametrize("mishap", MISHAPS)
def test_stacks_after_every_mishap(env, mishap):
    for seed in (1, 2):
        actions = run(env, seed, mishap=mishap)
        assert env.success() and stacked(env) and np.abs(actions).max() <= 1 and len(actions) < HORIZON
        assert np.sum(np.diff(actions[:, 6]) > 0) == (2 if mishap in ("beside", "high", "drop") else 1)
        assert env.low_dim()["robot0_eef_pos"][2] > env.pose(A)[0][2] + 0.05, "the hand has left"


def test_gives_up_after_four_grasps_of_air(env):
    actions = run(env, 0, aim=np.array([0.06, 0, 0.03]), mishap="none")
    assert not env.success() and np.sum(np.diff(actions[:, 6]) > 0) == 4 and len(actions) < 400


def test_fingers_keep_clear_of_the_green_cube():
    cube, other = np.array([0.0, 0.0, 0.82]), np.array([0.065, 0.0, 0.825])
    towards, past = (clearance(cube, yaw, other, np.eye(3)) for yaw in grasp_yaws(0.0, 0.0))
    assert np.isclose(towards, 0.015) and np.isclose(past, 0.065)


def test_the_wrist_does_not_wind_up(env):
    "Try after try with the larger turn: the hand never goes far from its first direction, or the last joint would reach its stop."
    for seed in (1, 6, 37):
        env.reset(seed)
        rng = np.random.default_rng([seed, 1])
        style = dataclasses.replace(draw_style(rng), far_pair=True, align=True, mishap="high", twist=0.0)
        home, turns = finger_yaw(read_hand(env).rotation), []

        def watched():
            for waypoint in waypoints(env, style):
                turns.append((finger_yaw(waypoint.now().rotation) - home + np.pi) % (2 * np.pi) - np.pi)
                yield waypoint

        for action in follow(env, watched(), correlated_noise(rng, 0.03), style.speed):
            env.step(action)
        assert env.success() and 1.0 < np.abs(turns).max() < 1.85, (seed, turns)


def test_a_dropped_cube_falls_to_the_table_and_is_fetched_again(env):
    env.reset(2)
    rng = np.random.default_rng([2, 1])
    style, heights = dataclasses.replace(draw_style(rng), mishap="drop"), []
    for action in follow(env, waypoints(env, style), correlated_noise(rng, 0.03), style.speed):
        env.step(action)
        heights.append(env.pose(A)[0][2] - 0.82)
    up = int(np.argmax(np.array(heights) > 0.03))
    assert heights[up] > 0.03 and min(heights[up:]) < 0.005 and env.success()


def test_stacked_means_on_top(env):
    env.reset(0)
    state, b = env.get_state(), env.pose(B)[0]
    for offset, yes in (((0, 0, 0.045), True), ((0.02, 0, 0.045), True), ((0.04, 0, 0.045), False), ((0, 0, 0.06), False)):
        state[10:13] = b + offset
        env.set_state(state)
        assert stacked(env) is yes, offset


def test_shares_of_mishaps_and_one_style_a_seed():
    styles = [draw_style(np.random.default_rng([seed, 1])) for seed in range(2000)]
    assert 0.10 < np.mean([s.mishap != "none" for s in styles]) < 0.15 and {s.mishap for s in styles} == set(MISHAPS)
    again = draw_style(np.random.default_rng([7, 1]))
    assert all(np.array_equal(getattr(again, f.name), getattr(styles[7], f.name)) for f in dataclasses.fields(again))
