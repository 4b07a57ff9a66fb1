"""Tests of nbs/demos/41_square.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prism_repro.demos.kit import correlated_noise, follow, turn_between
from prism_repro.demos.square import COMFORT, FIRST_YAW, HANDLE, MISHAPS, NUT, PEG, RANGE, TABLE, TOP, draw_style, ways_to_turn, waypoints


@pytest.fixture(scope="module")
def env():
    from prism_repro.envs.robosuite import RobosuiteEnv

    return RobosuiteEnv("square", render=None)


def run(env, seed, **changes):
    env.reset(seed)
    rng = np.random.default_rng([seed, 1])
    style, actions, heights = dataclasses.replace(draw_style(rng), **changes), [], []
    for action in follow(env, waypoints(env, style), correlated_noise(rng, 0.03), style.speed):
        env.step(action)
        actions.append(action)
        heights.append(env.pose(NUT)[0][2])
    return env.success(), np.array(actions), np.array(heights)


@pytest.mark.parametrize("mishap", MISHAPS)
def test_the_nut_is_on_its_peg_after_every_mishap(env, mishap):
    for seed in (1, 2):
        success, actions, heights = run(env, seed, mishap=mishap)
        assert success and np.abs(actions).max() <= 1 and len(actions) < 260
        assert np.sum(np.diff(actions[:, 6]) > 0) >= (2 if mishap in ("beside", "high", "slip") else 1)
        assert np.abs(env.pose(NUT)[0][:2] - PEG).max() < 0.01 and heights[-1] < TABLE + 0.015
        if mishap == "off":  # it rested on the peg, and was lifted from there
            carried = np.argmax(heights > TOP + 0.02)
            rest = carried + np.argmax(heights[carried:] < TOP + 0.013)
            assert heights[rest:].max() > heights[rest] + 0.02


def test_a_nut_that_turns_and_shifts_in_the_hand_is_still_threaded(env):
    "Turn the nut by 0.15 rad and shift it by 5 mm along the handle, in the fingers, above the peg: the goal of the hand must change at once, and the nut be threaded."
    at, now, done = 1 + env._env.sim.model.get_joint_qpos_addr("SquareNut_joint0")[0], [], False
    env.reset(3)
    style = dataclasses.replace(draw_style(np.random.default_rng(3)), mishap="none")
    spied = (now.append(waypoint) or waypoint for waypoint in waypoints(env, style))
    for action in follow(env, spied, correlated_noise(np.random.default_rng(3), 0.03), style.speed):
        env.step(action)
        nut, rotation = env.pose(NUT)
        if not done and np.linalg.norm(nut - [*PEG, TOP + 0.02]) < 0.015:
            before, shift, twist, done = now[-1].now(), 0.005 * rotation[:, 0], Rotation.from_rotvec([0, 0, 0.15]), True
            state = env.get_state()
            state[at : at + 3] += shift
            state[at + 3 : at + 7] = np.roll((twist * Rotation.from_matrix(rotation)).as_quat(), 1)
            env.set_state(state)
            after = now[-1].now()
            np.testing.assert_allclose(after.position - before.position, -shift, atol=1e-6)
            np.testing.assert_allclose(turn_between(before.rotation, after.rotation), [0, 0, -0.15], atol=0.01)
    assert done and env.success()


def test_ways_to_turn_are_within_the_wrists_range_and_straighten_the_nut():
    for yaw in np.random.default_rng(0).uniform(-10, 10, 300):
        ways = ways_to_turn(yaw, FIRST_YAW)
        assert ways
        for grasp, peg in ways:
            assert abs(np.cos(grasp - yaw)) < 1e-9, "the fingers close across the handle"
            assert max(abs(grasp - COMFORT), abs(peg - COMFORT)) < RANGE
            handle = yaw + peg - grasp
            assert abs(np.sin(2 * handle)) < 1e-6 and np.cos(handle) < 0.7, "straight, and not away from the arm"
        cost = [abs(grasp - FIRST_YAW) + abs(peg - grasp) for grasp, peg in ways]
        assert cost == sorted(cost)


def test_numbers_of_the_world_are_robosuites(env):
    env.reset(0)
    peg, nut = env.pose("peg1")[0], env._env.nuts[0]
    np.testing.assert_allclose(PEG, peg[:2])
    assert np.isclose(TOP, peg[2] + 0.1) and np.isclose(TABLE, env._env.table_offset[2])
    handle = env._data.site_xpos[env._env.sim.model.site_name2id(f"{nut.name}_handle_site")]
    np.testing.assert_allclose(env.pose(NUT)[0] + HANDLE * env.pose(NUT)[1][:, 0], handle, atol=1e-6)


def test_shares_of_mishaps_and_one_style_a_seed():
    styles = [draw_style(np.random.default_rng([seed, 1])) for seed in range(3000)]
    assert 0.10 < np.mean([s.mishap != "none" for s in styles]) < 0.15 and {s.mishap for s in styles} == set(MISHAPS)
    assert 0.15 < np.mean([s.other_way for s in styles]) < 0.25
    again = draw_style(np.random.default_rng([7, 1]))
    assert all(np.array_equal(getattr(again, f.name), getattr(styles[7], f.name)) for f in dataclasses.fields(again))
