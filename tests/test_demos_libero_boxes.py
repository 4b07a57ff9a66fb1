"""Tests of nbs/demos/45_libero_boxes.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.demos.libero_boxes import Boxes, landing, surface, top_along, touching


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


def test_things_land_on_what_is_below_them():
    table, own = block([0, 0, -0.05], [1, 1, 0.05]), block([0, 0, 0.3], [0.03, 0.03, 0.02])
    step = Boxes(*(np.concatenate([a, b]) for a, b in zip((table.center, table.rotation, table.half), ([[0.2, 0, 0.02]], np.eye(3)[None], [[0.05, 0.05, 0.02]]))))
    assert np.isclose(landing(own, step, np.zeros(2)), -0.28, atol=3e-3)
    assert np.isclose(landing(own, step, np.array([0.2, 0])), -0.24, atol=3e-3)
    assert landing(own, step, np.array([3.0, 0])) is None
    assert np.isclose(top_along(step, np.array([-0.3, 0, 0]), np.array([0.4, 0, 0]), 0.01), 0.04) and np.isclose(top_along(step, np.zeros(3), np.array([-0.3, 0, 0]), 0.01), 0.0)
