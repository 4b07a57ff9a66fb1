"""Tests of nbs/demos/46_libero_joints.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import dataclasses

import numpy as np
import pytest

from prism_repro.demos.kit import correlated_noise, follow, pointing_down, read_hand
from prism_repro.demos.libero_joints import MISHAPS, close_drawer, close_microwave, draw_style, joint, leaning, nearest_yaw, turn_knob, until


def run(env, seed, skill, **changes):
    env.reset(seed)
    rng = np.random.default_rng([seed, 1])
    style, actions = dataclasses.replace(draw_style(rng), **changes), []
    for action in follow(env, skill(env, style), correlated_noise(rng, 0.03), style.speed):
        actions.append(action)
        env.step(action)
    return np.array(actions)


@pytest.mark.parametrize("task, skill, name, low, high", [
    ("libero_10_3", close_drawer, "white_cabinet_1_bottom_level", 0.0, 0.02),
    ("libero_10_2", turn_knob, "flat_stove_1_button", 0.5, 2.2),
    ("libero_10_9", close_microwave, "microwave_1_microjoint", -0.005, 0.1)])
def test_moves_the_joint_even_when_the_first_try_ends_half_way(task, skill, name, low, high):
    pytest.importorskip("libero")
    from prism_repro.envs.robosuite import RobosuiteEnv

    env = RobosuiteEnv(task, render=None)
    steps = []
    for mishap in ("none", "short"):
        actions = run(env, 1, skill, mishap=mishap)
        steps.append(len(actions))
        assert low < joint(env, name) < high and np.abs(actions).max() <= 1
        hand = read_hand(env)
        assert hand.position[2] > 0.98 and actions[-1, 6] < 0, "the hand ends open, above the scene"
    assert steps[0] + 10 < steps[1] < 300


def test_a_style_is_a_function_of_the_seed_and_mishaps_are_rare():
    styles = [draw_style(np.random.default_rng([seed, 1])) for seed in range(2000)]
    assert 0.08 < np.mean([s.mishap != "none" for s in styles]) < 0.12 and {s.mishap for s in styles} == set(MISHAPS)
    again = draw_style(np.random.default_rng([7, 1]))
    assert all(np.array_equal(getattr(again, f.name), getattr(styles[7], f.name)) for f in dataclasses.fields(again))


class Still:
    "A hand that hangs still, fingers along -y."

    def low_dim(self):
        return {"robot0_eef_pos": np.array([0.1, 0.2, 1.0]), "robot0_eef_quat": np.array([1.0, 0, 0, 0]), "robot0_gripper_qpos": np.array([0.04, -0.04])}


def test_servoing_ends_where_the_hand_is_and_turns_are_the_small_ones():
    env, done = Still(), []
    position = until(env, lambda: bool(done), lambda: np.array([9.0, 9, 9]))
    assert position()[0] == 9
    done.append(1)
    np.testing.assert_array_equal(position(), [0.1, 0.2, 1.0])
    for yaw in np.linspace(-7, 7, 30):
        found = nearest_yaw(env, yaw)
        assert abs(found + np.pi / 2) <= np.pi / 2 + 1e-9 and np.isclose(np.sin(found - yaw), 0, atol=1e-9)
    np.testing.assert_allclose(leaning(pointing_down(0.0), [1, 0, 0], np.pi / 2)[:, 2], [0, 1, 0], atol=1e-12)  # a hand that leans back points forward
