"""Tests of nbs/demos/41_tool_hang.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prism_repro.demos.kit import correlated_noise, follow, read_hand
from prism_repro.demos.tool_hang import GRIP, HOLE, HOOK, MISHAPS, RING, TIP, across, carried, draw_style, place, waypoints


@pytest.fixture(scope="module")
def env():
    from prism_repro.envs.robosuite import RobosuiteEnv

    return RobosuiteEnv("tool_hang", render=None)


def run(env, seed, noise=0.03, **changes):
    env.reset(seed)
    rng = np.random.default_rng(seed)
    style, actions, after = dataclasses.replace(draw_style(rng), **changes), [], 0
    for action in follow(env, waypoints(env, style), correlated_noise(rng, noise), style.speed):
        actions.append(action)
        env.step(action)
        after = after + 1 if after or env.success() else 0
        if after > 8:
            break
    return env.success(), np.array(actions)


@pytest.mark.parametrize("mishap", MISHAPS)
def test_hangs_the_tool_after_every_mishap(env, mishap):
    success, actions = run(env, 1, mishap=mishap)
    assert success and np.abs(actions).max() <= 1 and len(actions) < 550
    assert np.sum(np.diff(actions[:, 6]) > 0) == 2 + (mishap in ("frame", "tool"))


def test_points_are_where_robosuite_has_them(env):
    env.reset(2)
    model, data = env._env.sim.model, env._env.sim.data

    def check(tip):
        for body, point, site in (("frame_root", tip, "frame_tip_site"), ("tool_root", RING, "tool_hole1_center")):
            np.testing.assert_allclose(place(env, body, point), data.site_xpos[model.site_name2id(site)], atol=1e-4)
        for body, point, geom in (("frame_root", GRIP, "frame_grip_frame"), ("frame_root", HOOK, "frame_hook_frame"), ("stand_root", HOLE, "stand_hole_vis_vis")):
            np.testing.assert_allclose(place(env, body, point), data.geom_xpos[model.geom_name2id(geom)], atol=1e-3)

    check(TIP)
    with pytest.raises(AssertionError):
        check(TIP * [-1, 1, 1])


class Held:
    "A body in a hand; both have poses and nothing moves by itself."

    def __init__(self):
        self.hand, self.body = (np.array([0.0, 0, 1.1]), np.eye(3)), (np.array([0.1, 0, 1.0]), Rotation.from_rotvec([0, 0, 0.3]).as_matrix())

    def low_dim(self):
        return {"robot0_eef_pos": self.hand[0], "robot0_eef_quat": Rotation.from_matrix(self.hand[1]).as_quat(), "robot0_gripper_qpos": np.array([0.01, -0.01])}

    def pose(self, body):
        return self.body

    def go(self, position, rotation):
        "Bring the hand there, and the body with it, as if they were one."
        turn = rotation @ self.hand[1].T
        self.body = (position + turn @ (self.body[0] - self.hand[0]), turn @ self.body[1])
        self.hand = (position, rotation)


def test_steering_the_thing_brings_its_point_there_and_turns_it():
    point, there, turned = np.array([0.05, 0.02, -0.1]), np.array([0.3, -0.2, 1.2]), Rotation.from_rotvec([0.4, -0.9, 0.2]).as_matrix()

    def check(goal):
        held = Held()
        way = carried(held, "thing", point, goal)
        for _ in range(3):  # the first turns it; the point follows
            held.go(way["position"](), way["rotation"]())
        np.testing.assert_allclose(place(held, "thing", point), there, atol=1e-9)
        np.testing.assert_allclose(held.body[1], turned, atol=1e-9)

    check(lambda: (there, turned))
    with pytest.raises(AssertionError):
        check(lambda: (there, turned.T))


def test_the_hand_closes_across_and_turns_the_shorter_way():
    for yaw in np.linspace(-3, 3, 13):
        down = across(np.array([np.cos(yaw), np.sin(yaw), 0]), near=0.4)
        assert np.isclose(abs(down[:, 1] @ [np.cos(yaw), np.sin(yaw), 0]), 1) and down[2, 2] == -1
        assert down[:, 1] @ [np.cos(0.4), np.sin(0.4), 0] > -1e-9


def test_gives_up_when_the_frame_cannot_be_had(env):
    success, actions = run(env, 0, frame_along=0.25)  # far above the grip's end, where nothing is
    assert not success and np.sum(np.diff(actions[:, 6]) > 0) == 3 and len(actions) < 250


def test_shares_of_mishaps_and_one_style_a_seed():
    styles = [draw_style(np.random.default_rng([seed, 1])) for seed in range(2000)]
    assert 0.10 < np.mean([s.mishap != "none" for s in styles]) < 0.15 and {s.mishap for s in styles} == set(MISHAPS)
    again = draw_style(np.random.default_rng([7, 1]))
    assert all(np.array_equal(getattr(again, f.name), getattr(styles[7], f.name)) for f in dataclasses.fields(again))
