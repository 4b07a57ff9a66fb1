"""Tests of nbs/demos/45_libero_pick.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
from scipy.spatial.transform import Rotation

from prism_repro.demos.libero_boxes import Boxes, touching
from prism_repro.demos.libero_pick import OPENING, Grasp, candidates, grasps, hand_boxes


def block(center, half, yaw=0.0):
    turned = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    return Boxes(np.array([center], float), turned[None], np.array([half], float))


def test_a_bar_is_grasped_across_at_its_middle_and_a_slab_at_its_corners_only():
    for yaw in (0.0, np.pi / 6, -np.pi / 3):
        best = candidates(block([0.3, -0.1, 0.5], [0.05, 0.015, 0.03], yaw), 0.48, np.zeros(2))[0]
        assert abs(np.sin(best.yaw - yaw - np.pi / 2)) < 1e-6 and np.linalg.norm(best.position[:2] - [0.3, -0.1]) < 0.006
        assert np.isclose(best.width, 0.03, atol=2e-3)
    slab = block([0, 0, 0.5], [0.05, 0.05, 0.03])
    free = [grasp for grasp in candidates(slab, 0.48, np.zeros(2)) if not touching(hand_boxes(grasp.position, grasp.yaw), slab).any()]
    assert all(np.linalg.norm(grasp.position[:2]) > 0.03 for grasp in free)


def test_taste_decides_between_two_ends():
    left, right = (candidates(block([0, 0, 0.5], [0.05, 0.015, 0.03]), 0.48, np.array([side, 0.0]))[0].position[0] for side in (-1.0, 1.0))
    assert left < -0.01 and right > 0.01


def test_the_hand_of_the_search_is_the_hand_of_the_robot():
    "Every collision geom of fingers and hand, in its frame, lies within the boxes (5 mm for corners of the finger's hull that never touch)."
    from prism_repro.envs.robosuite import RobosuiteEnv

    env = RobosuiteEnv("lift", render=None)
    env.step([0, 0, 0, 0, 0, 0, -1])
    seen, model, data = env.low_dim(), env._model, env._data
    hand = Rotation.from_quat(seen["robot0_eef_quat"]).as_matrix()
    shape = hand_boxes(np.zeros(3), np.pi / 2)  # fingers along y, z up: as the hand's own axes, but z turned round
    low, high = shape.low.min(0), shape.high.max(0)
    for name in ("hand_collision", "finger1_collision", "finger2_collision"):
        geom = env._env.sim.model.geom_name2id(f"gripper0_right_{name}")
        mesh = model.geom_dataid[geom]
        points = model.mesh_vert[model.mesh_vertadr[mesh] : model.mesh_vertadr[mesh] + model.mesh_vertnum[mesh]]
        local = (points @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom] - seen["robot0_eef_pos"]) @ hand * [1, 1, -1]
        assert (local > low - 0.005).all() and (local < high + 0.005).all(), name


def test_grasps_leave_room_for_the_hand_and_are_not_repeated():
    from prism_repro.demos.libero_boxes import boxes, origin
    from prism_repro.envs.robosuite import RobosuiteEnv

    env = RobosuiteEnv("libero_spatial_4", render=None)
    env.reset(1)
    first = next(grasps(env, "akita_black_bowl_1"))
    assert not touching(hand_boxes(first.position, first.yaw), boxes(env)).any() and first.width < 2 * OPENING
    at = origin(env, "akita_black_bowl_1")
    other = next(grasps(env, "akita_black_bowl_1", failed=[Grasp(first.position - at, first.yaw, first.width, 0.0)]))
    assert np.linalg.norm(other.position - first.position) > 0.015 or abs(np.sin(other.yaw - first.yaw)) > 0.4
