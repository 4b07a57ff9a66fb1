"""Tests of nbs/data/23_normalizer.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from types import SimpleNamespace

import numpy as np
import pytest
import torch

from prism_repro.data.normalizer import Normalizer
from prism_repro.data.schema import write_demos

SIZES = {"robot0_eef_pos": 3, "robot0_gripper_qpos": 2, "robot0_eef_quat": 4, "actions": 7}


def demo(scale, n=12, seed=0):
    rng = np.random.default_rng(seed)
    obs = {k: scale * rng.normal(size=(n, d)) for k, d in SIZES.items() if k != "actions"}
    return {"actions": np.clip(rng.normal(size=(n, 7)), -1, 1), "states": np.zeros((n, 4)), "obs": obs, "model_file": "<mujoco/>"}


def file(path, scales, valid):
    names = [f"demo_{i}" for i in range(len(scales))]
    mask = {"train": [n for n in names if n not in valid], "valid": valid}
    return write_demos(path, [demo(s, seed=i) for i, s in enumerate(scales)], attrs={"env_args": {"env_name": "Lift"}}, mask=mask)


def test_validation_demos_do_not_influence_it(tmp_path):
    fits = [Normalizer(SIZES).fit(file(tmp_path / f"{i}.hdf5", [1, 1, s], ["demo_2"])).state_dict() for i, s in enumerate((1, 50))]
    assert all(torch.equal(fits[0][k], fits[1][k]) for k in fits[0])
    leak = Normalizer(SIZES).fit(file(tmp_path / "leak.hdf5", [1, 1, 50], ["demo_0"])).state_dict()
    assert not torch.equal(leak["robot0_eef_pos_half"], fits[0]["robot0_eef_pos_half"])
    arrays = {k: np.zeros((3, d), np.float32) for k, d in SIZES.items()}
    with pytest.raises(ValueError, match="training split only, and these windows are of 'valid'"):
        Normalizer(SIZES).fit(SimpleNamespace(arrays=arrays, split="valid"))


def test_training_values_fill_the_range(tmp_path):
    arrays = {k: np.random.default_rng(0).normal(3, 2, (100, d)).astype(np.float32) for k, d in SIZES.items()}
    normalizer = Normalizer(SIZES).fit(SimpleNamespace(arrays=arrays, split="train"))
    for key in ("robot0_eef_pos", "robot0_gripper_qpos"):
        z = normalizer.normalize(key, torch.from_numpy(arrays[key]))
        assert torch.allclose(z.amin(0), torch.tensor(-1.0), atol=1e-6) and torch.allclose(z.amax(0), torch.tensor(1.0), atol=1e-6)
    for key in ("robot0_eef_quat", "actions"):
        assert torch.equal(normalizer.normalize(key, torch.from_numpy(arrays[key])), torch.from_numpy(arrays[key]))


def test_of_absolute_actions_the_position_is_scaled():
    actions = np.random.default_rng(0).normal(3, 2, (100, 10)).astype(np.float32)
    normalizer = Normalizer({"actions": 10}).fit(SimpleNamespace(arrays={"actions": actions}, split="train"))
    z = normalizer.normalize("actions", torch.from_numpy(actions))
    assert torch.allclose(z[:, :3].amax(0), torch.tensor(1.0), atol=1e-6) and torch.equal(z[:, 3:], torch.from_numpy(actions)[:, 3:])
    assert torch.allclose(normalizer.unnormalize("actions", z), torch.from_numpy(actions), atol=1e-5)


@pytest.mark.parametrize("jitter", [0.0, 1e-9, 9e-5])
def test_constant_dimensions_map_to_zero(jitter):
    values = np.full((50, 2), 0.04, np.float64)
    values[0, 0] += jitter
    normalizer = Normalizer({"robot0_gripper_qpos": 2}).fit(SimpleNamespace(arrays={"robot0_gripper_qpos": values}, split="train"))
    z = normalizer.normalize("robot0_gripper_qpos", torch.from_numpy(values).float())
    assert torch.isfinite(z).all() and z.abs().max() < 1e-4
    assert torch.allclose(normalizer.unnormalize("robot0_gripper_qpos", z), torch.from_numpy(values).float())


def test_ranges_travel_with_the_weights():
    arrays = {k: np.random.default_rng(0).normal(size=(9, d)) for k, d in SIZES.items()}
    a, b = Normalizer(SIZES).fit(SimpleNamespace(arrays=arrays, split="train")), Normalizer(SIZES)
    assert not list(a.parameters()) and len(a.state_dict()) == 2 * len(SIZES)
    b.load_state_dict(a.state_dict())
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(a.normalize("robot0_eef_pos", x), b.normalize("robot0_eef_pos", x))


def test_says_what_is_missing(tmp_path):
    path = file(tmp_path / "a.hdf5", [1, 1], [])
    with pytest.raises(ValueError, match="have no 'object_pos', only"):
        Normalizer({"object_pos": 3}).fit(path)
    with pytest.raises(ValueError, match=r"rows of shape \(3,\).*made for \(5,\)"):
        Normalizer({"robot0_eef_pos": 5}).fit(path)


def test_a_number_is_not_spread_over_a_vector():
    normalizer = Normalizer({"joint_pos": 7})
    for call in (normalizer.normalize, normalizer.unnormalize):
        with pytest.raises(ValueError, match=r"'joint_pos' has shape \[2, 1\], .* joint_pos \[..., 7\]"):
            call("joint_pos", torch.zeros(2, 1))
        with pytest.raises(ValueError, match="'gripper'"):
            call("gripper", torch.zeros(2, 1))
