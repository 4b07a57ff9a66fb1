"""Tests of nbs/demos/40_kit.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import itertools

import numpy as np

from prism_repro.demos.kit import CLOSE, OPEN, Hand, Waypoint, action_towards, correlated_noise, finger_yaw, follow, grasp_yaws, let_go, pointing_down, read_hand


class Still:
    "A hand that does not move, and fingers that close by 1 cm a step down to 4 cm."

    def __init__(self):
        self.gap = 0.08

    def low_dim(self):
        return {"robot0_eef_pos": np.zeros(3), "robot0_eef_quat": np.array([0.0, 0, 0, 1]), "robot0_gripper_qpos": np.array([self.gap, -self.gap]) / 2}

    def close(self):
        self.gap = max(0.04, self.gap - 0.01)


def silence():
    return itertools.repeat(np.zeros(6))


def test_a_closing_waypoint_ends_when_the_fingers_rest():
    env, count = Still(), 0
    for action in follow(env, [Waypoint(np.zeros(3), np.eye(3), CLOSE, still=2)], silence()):
        env.close()
        count += 1
        assert action[6] == CLOSE
    assert count == 6  # four steps of closing, two at rest


def test_letting_go_ends_when_the_fingers_have_opened_or_never_do():
    env = Still()
    env.gap, steps = 0.05, 0
    start = read_hand(env)
    for action in follow(env, let_go(env, start), silence()):
        env.gap, steps = env.gap + 0.003 * (steps >= 5), steps + 1  # fingers that squeeze open late
        assert action[6] == OPEN
    assert steps == 8 and len(list(follow(env, let_go(env, read_hand(env)), silence()))) == 12


def test_patience_ends_a_waypoint_that_cannot_be_reached():
    goals = [Waypoint(np.ones(3), np.eye(3), OPEN, patience=5), Waypoint(np.zeros(3), np.eye(3), OPEN)]
    assert len(list(follow(Still(), goals, silence()))) == 5


def test_a_pose_may_be_a_function_and_a_careful_hand_is_slow_and_steady():
    places = iter(np.linspace(0.5, 1, 10)[:, None] * np.ones(3))
    noise = correlated_noise(np.random.default_rng(0), 0.5)
    actions = np.array(list(follow(Still(), [Waypoint(lambda: next(places), lambda: np.eye(3), OPEN, patience=6, pace=0.3, steady=0.0)], noise)))
    assert np.allclose(np.linalg.norm(actions[:, :3], axis=1), 0.3) and next(places)[0] > 0.8


def test_actions_stay_in_range_under_strong_noise():
    noise = correlated_noise(np.random.default_rng(0), 2.0)
    actions = np.array(list(follow(Still(), [Waypoint(np.ones(3), np.eye(3), OPEN, patience=200)], noise)))
    assert actions.shape == (200, 7) and np.abs(actions).max() == 1.0


def test_both_pairs_of_faces_are_offered_and_the_near_one_first():
    for cube, hand in np.random.default_rng(0).uniform(-10, 10, (200, 2)):
        near, far = grasp_yaws(cube, hand)
        assert abs(near - hand) <= np.pi / 4 + 1e-9 <= abs(far - hand) + 2e-9 and abs(far - hand) <= np.pi / 2 + 1e-9
        assert np.isclose(abs(np.sin(near - far)), 1)  # a right angle between them
        assert np.isclose(np.sin(2 * (near - cube)), 0, atol=1e-9)  # along a face


def test_turning_does_not_move_and_moving_does_not_turn():
    hand = Hand(np.zeros(3), pointing_down(0.0), 0.08)
    turn = action_towards(hand, Waypoint(np.zeros(3), pointing_down(0.2), OPEN))
    move = action_towards(hand, Waypoint(np.array([0, 0, 1.0]), pointing_down(0.0), OPEN), 0.7)
    np.testing.assert_allclose(turn, [0, 0, 0, 0, 0, 0.4, OPEN], atol=1e-12)
    np.testing.assert_allclose(move, [0, 0, 0.7, 0, 0, 0, OPEN], atol=1e-12)
    assert np.isclose(finger_yaw(pointing_down(-2.5)), -2.5)
