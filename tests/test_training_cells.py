"""Tests of nbs/training/64_cells.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np

from prism_repro.data.schema import write_demos
from prism_repro.training.cells import cell_config, data_hash, policy_config


def file(path, **attrs):
    episodes = [dict(actions=np.zeros((3, 7)), obs={"agentview_image": np.zeros((3, 8, 8, 3), np.uint8)})]
    return write_demos(path, episodes, attrs=dict(env_args=dict(env_name="Lift", type=2), render={}, image_size=8) | attrs)


def test_scripted_data_are_named_by_recipe_and_others_by_bytes(tmp_path):
    a, b = (file(tmp_path / f"{n}.hdf5", task="lift", expert={"noise": 0.1}, gl=n) for n in ("egl", "osmesa"))
    assert a.read_bytes() != b.read_bytes() and data_hash(a) == data_hash(b)
    assert data_hash(a) != data_hash(file(tmp_path / "c.hdf5", task="lift", expert={"noise": 0.2}, gl="egl"))
    x, y = file(tmp_path / "x.hdf5", note="x"), file(tmp_path / "y.hdf5", note="y")
    assert data_hash(x) != data_hash(y)


def test_the_configuration_is_complete_and_nothing_else():
    settings = dict(task="lift", cameras=["agentview"], crop_size=6, To=1, Tp=4, Ta=2, encoder={}, unet={}, objective={}, train={"steps": 1}, seeds=[0], rollouts={}, observations="x")
    attrs = dict(image_size=8, render={"fast": True})
    assert policy_config(settings, attrs)["low_dim"]["robot0_eef_quat"] == 4 and policy_config(settings, attrs)["image_size"] == 8
    assert set(cell_config(settings, attrs)) - set(policy_config(settings, attrs)) == {"training", "seeds", "rollouts", "definition"}
