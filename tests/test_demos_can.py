"""Tests of nbs/demos/41_can.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prism_repro.demos.can import CAN, EMPTY, FIRST_YAW, MISHAPS, STANDING, TARGET, draw_style, grasp_rotation, waypoints
from prism_repro.demos.kit import correlated_noise, finger_yaw, follow


@pytest.fixture(scope="module")
def env():
    from prism_repro.envs.robosuite import RobosuiteEnv

    return RobosuiteEnv("can", render=None)


def run(env, seed, **changes):
    env.reset(seed)
    rng = np.random.default_rng([seed, 1])
    style, actions = dataclasses.replace(draw_style(rng), **changes), []
    for action in follow(env, waypoints(env, style), correlated_noise(rng, 0.03), style.speed):
        actions.append(action)
        env.step(action)
    return env.success(), np.array(actions)


@pytest.mark.parametrize("mishap", MISHAPS)
def test_the_can_stands_or_lies_in_its_compartment_after_every_mishap(env, mishap):
    for seed in (1, 2):
        success, actions = run(env, seed, mishap=mishap)
        assert success and np.abs(actions).max() <= 1 and len(actions) < 300
        assert np.sum(np.diff(actions[:, 6]) > 0) >= (1 if mishap in ("none", "overshoot") else 2)
        assert np.linalg.norm(env.pose(CAN)[0][:2] - TARGET) < 0.12


def test_a_lying_can_is_grasped_across_its_axis_and_a_standing_one_anyhow():
    style = draw_style(np.random.default_rng(0))
    for yaw in np.linspace(-4, 4, 33):
        axis = np.array([np.cos(yaw), np.sin(yaw), 0.02])
        fingers = finger_yaw(grasp_rotation(axis, dataclasses.replace(style, lean=np.zeros(2))))
        assert abs(np.cos(fingers - yaw)) < 1e-6 and abs(np.arctan2(np.sin(fingers - FIRST_YAW), np.cos(fingers - FIRST_YAW))) <= np.pi / 2 + 1e-6
    standing = finger_yaw(grasp_rotation(np.array([0, 0, 1.0]), dataclasses.replace(style, lean=np.zeros(2))))
    assert np.isclose(standing, FIRST_YAW + style.turn)


def test_a_can_that_lies_is_picked_up(env):
    env.reset(4)
    state = env.get_state()
    at = 1 + env._env.sim.model.get_joint_qpos_addr("Can_joint0")[0]
    state[at : at + 7] = [0.1, -0.25, 0.846, *np.roll(Rotation.from_euler("yz", [90, 40], degrees=True).as_quat(), 1)]
    env.set_state(state)
    style = dataclasses.replace(draw_style(np.random.default_rng(4)), mishap="none")
    assert abs(env.pose(CAN)[1][2, 2]) < 0.1
    for action in follow(env, waypoints(env, style), correlated_noise(np.random.default_rng(4), 0.03), style.speed):
        env.step(action)
    assert env.success()


def test_a_can_that_vanishes_from_the_hand_is_fetched_again(env):
    "Teleport it back to the bin's floor during the carry: the expert must notice within one leg."
    env.reset(5)
    style, moved, actions = dataclasses.replace(draw_style(np.random.default_rng(5)), mishap="none"), False, []
    at = 1 + env._env.sim.model.get_joint_qpos_addr("Can_joint0")[0]
    for action in follow(env, waypoints(env, style), correlated_noise(np.random.default_rng(5), 0.03), style.speed):
        env.step(action)
        actions.append(action)
        if not moved and env.pose(CAN)[0][1] > -0.05:
            state, moved = env.get_state(), len(actions)
            state[at : at + 7] = [0.1, -0.25, STANDING, 1, 0, 0, 0]
            env.set_state(state)
    assert env.success() and np.argmax(np.array(actions)[moved:, 6] < 0) < 30


def test_numbers_of_the_world_are_robosuites(env):
    world = env._env
    np.testing.assert_allclose(TARGET, world.target_bin_placements[world.object_id][:2])
    env.reset(0)
    assert abs(env.pose(CAN)[0][2] - STANDING) < 1e-3 and EMPTY < 2 * world.objects[world.object_id].horizontal_radius


def test_shares_of_mishaps_and_one_style_a_seed():
    styles = [draw_style(np.random.default_rng([seed, 1])) for seed in range(3000)]
    assert 0.10 < np.mean([s.mishap != "none" for s in styles]) < 0.15 and {s.mishap for s in styles} == set(MISHAPS)
    again = draw_style(np.random.default_rng([7, 1]))
    assert all(np.array_equal(getattr(again, f.name), getattr(styles[7], f.name)) for f in dataclasses.fields(again))
