"""Tests of nbs/training/63_seeds.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json

import numpy as np
import pytest

from prism_repro.data.schema import write_demos
from prism_repro.training import seeds as seeds_module
from prism_repro.training.seeds import last_logged, train_seeds

POLICY = dict(task="made up", cameras=["agentview"], low_dim=dict(robot0_eef_pos=3), image_size=36, crop_size=32, To=2, Tp=8, Ta=4, action_dim=7,
              encoder=dict(name="AvgPool", width=8), unet=dict(down_dims=[8, 16], step_embed_dim=8, kernel_size=3, n_groups=4), objective=dict(name="FM", num_steps=2))
TRAIN = dict(steps=6, batch_size=4, lr=1e-3, warmup_steps=2, checkpoint_every=3, log_every=2, threads=1)


@pytest.fixture
def data(tmp_path):
    "Random frames and actions in the real layout: what is learned does not matter here."
    rng = np.random.default_rng(0)
    demos = [dict(model_file="<mujoco/>", actions=rng.uniform(-1, 1, (20, 7)), states=rng.normal(size=(20, 5)),
                  obs=dict(agentview_image=rng.integers(0, 256, (20, 36, 36, 3), dtype=np.uint8), robot0_eef_pos=rng.normal(size=(20, 3)))) for _ in range(4)]
    write_demos(tmp_path / "observations.hdf5", demos, attrs=dict(env_args=dict(env_name="Lift", type=1, env_kwargs={})))
    return tmp_path / "observations.hdf5"


@pytest.mark.slow
def test_a_seed_learns_the_same_beside_another_and_alone(data, tmp_path):
    both = train_seeds(POLICY, TRAIN, data, tmp_path / "both", [0, 1], workers=2, progress=False)
    alone = train_seeds(POLICY, TRAIN, data, tmp_path / "alone", [1], workers=1, progress=False)
    weights = lambda folder: (folder / "model.safetensors").read_bytes()
    assert weights(both[1]) == weights(alone[1])
    assert weights(both[0]) != weights(both[1])
    assert last_logged(tmp_path / "both" / "seed_0")["step"] == 6
    (tmp_path / "log.jsonl").write_bytes(b"{}\n" + bytes(100) + b"\n")
    assert last_logged(tmp_path) == {}


@pytest.mark.slow
def test_a_seed_that_fails_says_why(data, tmp_path):
    with pytest.raises(ValueError, match="'stesp'"):
        train_seeds(POLICY, TRAIN | dict(stesp=3), data, tmp_path / "w", [0], progress=False)


@pytest.mark.parametrize("change, error, match", [
    *[(dict(seeds=wrong), ValueError, rf"seeds=.*: {what}.*different integers of at least 0") for wrong, what in (
        ([], "there is nothing to train"), (3, "there is nothing to train"), ([0, 1, 0], r"\[0\] come more than once"), ([0, -1], r"\[-1\] cannot seed"), ([0.5], r"\[0.5\] cannot seed"), (["1"], r"\['1'\] cannot seed"), ([True], r"\[True\] cannot seed"))],
    (dict(data="nowhere.hdf5"), FileNotFoundError, "no demonstration file nowhere.hdf5 to train on"),
    (dict(data="."), FileNotFoundError, "no demonstration file . to train on"),
    (dict(train={"steps": 6}), ValueError, "threads=None: expected an integer of at least 1, or `workers`"),
    (dict(train={"threads": 1}), ValueError, "steps=None: expected an integer of at least 1"),
])
def test_what_cannot_be_trained_is_refused_before_a_process_starts(data, tmp_path, monkeypatch, change, error, match):
    monkeypatch.setattr(seeds_module, "process_pool", lambda n: pytest.fail("a process was started"))
    with pytest.raises(error, match=match):
        train_seeds(POLICY, change.get("train", TRAIN), change.get("data", data), tmp_path / "w", change.get("seeds", [0]), progress=False)
