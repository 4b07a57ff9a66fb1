"""Tests of nbs/demos/41_lift.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import dataclasses

import numpy as np
import pytest

from prism_repro.demos.kit import correlated_noise, finger_yaw, follow, read_hand
from prism_repro.demos.lift import MISHAPS, cube_pose, draw_style, waypoints


@pytest.fixture(scope="module")
def env():
    from prism_repro.envs.robosuite import RobosuiteEnv

    return RobosuiteEnv("lift_wide", render=None)


def run(env, seed, **changes):
    env.reset(seed)
    rng = np.random.default_rng(seed)
    style, actions = dataclasses.replace(draw_style(rng), **changes), []
    for action in follow(env, waypoints(env, style), correlated_noise(rng, 0.03), style.speed):
        actions.append(action)
        env.step(action)
    return env.success(), np.array(actions)


@pytest.mark.parametrize("mishap", MISHAPS)
def test_lifts_and_holds_after_every_mishap(env, mishap):
    for seed in (1, 2):
        success, actions = run(env, seed, mishap=mishap)
        assert success and np.abs(actions).max() <= 1 and len(actions) < 150
        closings = np.sum(np.diff(actions[:, 6]) > 0)
        assert closings >= 2 if mishap in ("beside", "high") else closings >= 1
        first = np.argmax(actions[:, 6] > 0)
        reopened = first + np.argmax(actions[first:, 6] < 0)
        if mishap in ("beside", "high"):
            assert reopened - first <= 14, "an empty hand opens at once, and is not lifted first"


def test_tries_again_when_the_cube_was_not_there(env):
    "Four misses in a row: the expert gives up instead of going on for ever."
    env.reset(0)
    style = dataclasses.replace(draw_style(np.random.default_rng(0)), aim=np.array([0.06, 0, 0]), mishap="none")
    actions = []
    for action in follow(env, waypoints(env, style), correlated_noise(np.random.default_rng(0), 0.0)):
        actions.append(action)
        env.step(action)
    assert not env.success() and np.sum(np.diff([a[6] for a in actions]) > 0) == 4 and len(actions) < 400


def test_both_pairs_of_faces_occur_over_20_seeds(env):
    along_x, far = set(), set()
    for seed in range(20):
        env.reset(seed)
        style = draw_style(np.random.default_rng([seed, 1]))
        _, cube = cube_pose(env.get_state())
        first = next(waypoints(env, style))
        between = finger_yaw(first.rotation) - style.twist - np.arctan2(cube[1, 0], cube[0, 0])
        assert np.isclose(np.sin(2 * between), 0, atol=1e-6)
        turn = abs(np.arcsin(np.sin(finger_yaw(first.rotation) - style.twist - finger_yaw(read_hand(env).rotation))))  # fingers are interchangeable
        assert (turn > np.pi / 4) == style.far_pair
        along_x.add(bool(abs(np.cos(between)) > 0.9))
        far.add(style.far_pair)
    assert along_x == far == {True, False}


def test_shares_of_mishaps_and_one_style_a_seed():
    styles = [draw_style(np.random.default_rng([seed, 1])) for seed in range(3000)]
    share = np.mean([s.mishap != "none" for s in styles])
    assert 0.10 < share < 0.15 and {s.mishap for s in styles} == set(MISHAPS)
    again = draw_style(np.random.default_rng([7, 1]))
    assert all(np.array_equal(getattr(again, f.name), getattr(styles[7], f.name)) for f in dataclasses.fields(again))


def test_the_expert_reads_the_cube_where_mujoco_has_it(env):
    env.reset(3)
    position, rotation = cube_pose(env.get_state())
    body = env._env.cube_body_id
    np.testing.assert_allclose(position, env._env.sim.data.body_xpos[body], atol=1e-3)
    np.testing.assert_allclose(rotation, env._env.sim.data.body_xmat[body].reshape(3, 3), atol=1e-3)
