"""Tests of nbs/demos/45_libero_pick.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prism_repro.demos.libero_pick import OPENING, Boxes, Grasp, candidates, grasps, hand_boxes, landing, surface, top_along, touching


def block(center, half, yaw=0.0):
    turned = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    return Boxes(np.array([center], float), turned[None], np.array([half], float))


def check_contacts(touch):
    "Against brute force: do points sampled in one box lie in the other? 200 pairs that are not within a hair of touching."
    rng, seen = np.random.default_rng(0), []
    cloud = np.stack(np.meshgrid(*[np.linspace(-1, 1, 21)] * 3), -1).reshape(-1, 3)
    for _ in range(200):
        a, b = (block(rng.uniform(-0.1, 0.1, 3), rng.uniform(0.02, 0.06, 3), rng.uniform(0, np.pi)) for _ in range(2))
        inside = np.abs((a.center + cloud * a.half @ a.rotation[0].T - b.center) @ b.rotation[0]) < b.half[0]
        larger = np.abs((a.center + 1.2 * cloud * a.half @ a.rotation[0].T - b.center) @ b.rotation[0]) < 1.2 * b.half[0]
        if inside.all(1).any() == larger.all(1).any():
            seen.append(inside.all(1).any())
            assert bool(touch(a, b)) == seen[-1]
    assert 30 < sum(seen) < 170


def test_boxes_touch_when_they_share_a_point():
    check_contacts(touching)
    with pytest.raises(AssertionError):
        check_contacts(lambda a, b: touching(a, Boxes(b.center, b.rotation.transpose(0, 2, 1), b.half)))  # turned the wrong way


def test_the_surface_lies_on_the_box_and_looks_outwards():
    shape = block([0.1, 0.2, 0.3], [0.02, 0.03, 0.01], yaw=0.4)
    points, normals = surface(shape)
    local = (points - shape.center) @ shape.rotation[0]
    assert np.allclose(np.abs(local / shape.half).max(1), 1) and np.allclose(np.linalg.norm(normals, axis=1), 1)
    assert (((points - shape.center) * normals).sum(1) > 0).all()


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


def test_things_land_on_what_is_below_them():
    table, own = block([0, 0, -0.05], [1, 1, 0.05]), block([0, 0, 0.3], [0.03, 0.03, 0.02])
    step = Boxes(*(np.concatenate([a, b]) for a, b in zip((table.center, table.rotation, table.half), ([[0.2, 0, 0.02]], np.eye(3)[None], [[0.05, 0.05, 0.02]]))))
    assert np.isclose(landing(own, step, np.zeros(2)), -0.28, atol=3e-3)
    assert np.isclose(landing(own, step, np.array([0.2, 0])), -0.24, atol=3e-3)
    assert landing(own, step, np.array([3.0, 0])) is None
    assert np.isclose(top_along(step, np.array([-0.3, 0, 0]), np.array([0.4, 0, 0]), 0.01), 0.04) and np.isclose(top_along(step, np.zeros(3), np.array([-0.3, 0, 0]), 0.01), 0.0)


def test_grasps_leave_room_for_the_hand_and_are_not_repeated():
    from prism_repro.demos.libero_pick import boxes, origin
    from prism_repro.envs.robosuite import RobosuiteEnv

    env = RobosuiteEnv("libero_spatial_4", render=None)
    env.reset(1)
    first = next(grasps(env, "akita_black_bowl_1"))
    assert not touching(hand_boxes(first.position, first.yaw), boxes(env)).any() and first.width < 2 * OPENING
    at = origin(env, "akita_black_bowl_1")
    other = next(grasps(env, "akita_black_bowl_1", failed=[Grasp(first.position - at, first.yaw, first.width, 0.0)]))
    assert np.linalg.norm(other.position - first.position) > 0.015 or abs(np.sin(other.yaw - first.yaw)) > 0.4
