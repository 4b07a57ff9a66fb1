"""Tests of nbs/demos/50_kitchen_kit.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import itertools

import numpy as np
import pytest

pytest.importorskip("gymnasium_robotics")

from prism_repro.demos.kitchen_kit import CLEAR, Arm, Goal, pointing, within_bounds
from prism_repro.envs.kitchen import KitchenEnv


@pytest.fixture(scope="module")
def arm():
    return Arm(KitchenEnv("ldoor_open"))


def test_a_hand_points_where_it_is_told_with_fingers_that_open_horizontally():
    turned = pointing(0.7, 0.3)
    assert np.allclose(turned.T @ turned, np.eye(3)) and np.linalg.det(turned) > 0.999
    assert turned[2, 1] == 0 and np.isclose(turned[2, 2], np.sin(0.3)) and np.isclose(np.arctan2(turned[1, 2], turned[0, 2]), 0.7)


def test_the_start_is_such_a_hand(arm):
    arm.env.reset(0)
    assert np.abs(arm.rotation - pointing(np.pi / 2)).max() < 0.4


def test_a_goal_in_the_open_is_reached_and_held_without_chatter(arm):
    for seed in range(4):
        arm.env.reset(seed)
        goal, actions = Goal(arm.position + np.array([0.1, 0.2, 0.25]), pointing(np.deg2rad(100))), []
        for action in itertools.islice(arm.follow(itertools.repeat(goal)), 30):
            arm.env.step(action)
            actions.append(action)
        assert np.linalg.norm(arm.position - goal.position) < 0.01
        assert np.trace(goal.rotation @ arm.rotation.T) > 2.98
        assert np.abs(np.diff(actions, axis=0)).mean() < 0.12


def test_joints_stop_short_of_their_limits(arm):
    arm.env.reset(1)
    limits = arm.env._model.jnt_range[:7]
    for action in itertools.islice(arm.follow(itertools.repeat(Goal(np.array([-2.0, 2.0, 3.0]), pointing(np.pi)))), 40):
        arm.env.step(action)
        joints = arm.env.low_dim()["robot0_qpos"][:7]
        assert (joints > limits[:, 0] - 0.03).all() and (joints < limits[:, 1] + 0.03).all()


def test_the_same_goals_give_the_same_actions_whatever_the_arm_did_before(arm):
    def first():
        arm.env.reset(2)
        return next(arm.follow(iter([Goal(arm.handle(), pointing(1.5))])))

    before = first()
    for action in itertools.islice(arm.follow(itertools.repeat(Goal(np.zeros(3), pointing(0)))), 5):
        arm.env.step(action)
    assert np.array_equal(first(), before)


def test_a_handle_turns_with_its_hinge(arm):
    arm.env.reset(0)
    hinge = arm._data.xanchor[arm._joint]
    now, open_ = arm.handle() - hinge, arm.handle(-np.pi / 2) - hinge
    assert np.isclose(np.linalg.norm(now), np.linalg.norm(open_)) and abs(now[:2] @ open_[:2]) < 1e-9 and open_[1] < now[1]
    state, q = arm.env.get_state(), arm.env._model.jnt_qposadr[arm._joint]
    ahead = arm.handle(-0.5)
    state[1 + q] = -0.5
    arm.env.set_state(state)
    assert np.allclose(arm.handle(), ahead, atol=1e-9) and arm.angle == -0.5


def test_bounds_hold_even_where_only_zero_is_left():
    x = within_bounds(np.eye(3), np.array([1.0, -1.0, 0.2]), np.array([0.0, 0.0, -1]), np.array([0.0, 0.5, 1]))
    assert np.allclose(x, [0, 0, 0.2]) and CLEAR > 0
