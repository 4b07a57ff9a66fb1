"""Tests of nbs/analysis/79_straightness.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.analysis.straightness import plane, random_walk, shuffled, straightness, turns


def test_known_paths():
    rng = np.random.default_rng(1)
    assert np.abs(turns(np.arange(50)[:, None] * rng.normal(size=(1, 9)) + 3)[0]).max() < 1e-5  # a line, to a hundred-thousandth
    corner = np.array([[0, 0], [1, 0], [1, 2], [4, 2], [4, 3]], float)
    assert np.allclose(turns(corner)[0], 90)
    assert np.allclose(turns(np.array([[0.0], [1], [0], [1]]))[0], 180) and np.allclose(turns(np.array([[0, 0], [1, 0], [2, 1.0]]))[0], 45)
    assert abs(turns(rng.normal(size=(2000, 500)))[0].mean() - 120) < 0.3
    assert abs(turns(rng.normal(size=(2000, 500)).cumsum(0))[0].mean() - 90) < 0.3


def test_shape_alone_counts():
    rng = np.random.default_rng(2)
    path = rng.normal(size=(40, 16)).cumsum(0)
    angles = turns(path)[0]
    for other in (path * 1e6, path * 1e-6, path + 1e3, path @ np.linalg.qr(rng.normal(size=(16, 16)))[0], np.hstack([path, np.full((40, 4), 7.0)]), path[::-1]):
        assert np.allclose(np.sort(turns(other)[0]), np.sort(angles), atol=1e-5)
    assert not np.allclose(turns(path * np.linspace(1, 3, 16))[0], angles)  # stretching one axis is another shape


def test_steps_without_motion_are_dropped_and_counted():
    path = np.array([[0, 0], [0, 0], [1, 0], [1, 0], [1, 0], [1, 1], [1, 1 + 1e-7]])
    angles, dropped = turns(path)
    assert np.allclose(angles, [90]) and dropped == 4
    for still in (np.zeros((5, 3)), np.zeros((1, 3)), np.zeros((0, 3)), np.array([[0.0], [1], [1], [1]])):
        angles, dropped = turns(still)
        assert len(angles) == 0 and dropped == max(0, len(still) - 1 - (still.any() and 1))
    slow = np.array([[0, 0], [1e-3, 0], [1e-3, 1], [2e-3, 1]])  # a thousandth of the longest step is motion
    assert turns(slow)[1] == 0


def test_every_clip_is_measured_or_named():
    rng = np.random.default_rng(3)
    entries, without = straightness([(f"clip_{i}", rng.normal(size=(12, 300)).cumsum(0)) for i in range(3)] + [("still", np.ones((9, 300))), ("once", np.array([[0.0], [1], [1]]))])
    assert [e["episode"] for e in entries] == ["clip_0", "clip_1", "clip_2"] and without == ["still", "once"]
    assert all(e["turns"] == 10 and e["dropped"] == 0 and abs(e["degrees"] - 90) < 4 and abs(e["walk"] - 90) < 4 for e in entries)
    assert abs(np.mean([shuffled(rng.normal(size=(12, 1)).cumsum(0), seed=i) for i in range(60)]) - 120) < 4  # in one dimension as in any
    two = np.array([[0.0, 0], [1, 0], [1, 0], [1, 1]])
    assert shuffled(two[:2]) is None and random_walk(two) is not None and straightness([("a", two)])[0][0]["dropped"] == 1


def test_bad_paths():
    with pytest.raises(ValueError, match="not finite"):
        turns(np.array([[0.0, np.nan], [1, 1]]))
    with pytest.raises(ValueError, match=r"shape \(3,\): expected"):
        turns(np.zeros(3))


def test_the_plane_holds_a_flat_path_and_does_not_mirror_at_random():
    rng = np.random.default_rng(4)
    flat = np.c_[np.linspace(0, 3, 20), np.linspace(0, 1, 20) ** 2]
    path = flat @ np.linalg.qr(rng.normal(size=(64, 2)))[0].T + 5
    drawn, share = plane(path)
    assert share == pytest.approx(1) and np.allclose(np.linalg.norm(np.diff(drawn, axis=0), axis=1), np.linalg.norm(np.diff(flat, axis=0), axis=1))
    assert (drawn[-1] >= drawn[0]).all() and np.allclose(plane(-path)[0], drawn) and plane(np.ones((5, 8)))[1] == 0
    assert plane(np.array([[0.0], [1], [3]]))[0].shape == (3, 2) and np.allclose(plane(path[::-1])[0], -drawn[::-1])
    for _ in range(8):  # a principal direction has no sign of its own
        walk = plane(rng.normal(size=(12, 30)).cumsum(0))[0]
        assert (walk[-1] >= walk[0]).all()
