"""Tests of nbs/training/61_checkpoint.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import os

import pytest
import torch

from prism_repro.training import checkpoint
from prism_repro.training.checkpoint import CheckpointError, check_identity, load_checkpoint, read_identity, read_meta, save_checkpoint

RUN = {"seed": 3, "policy": {"cameras": ["agentview"], "low_dim": {}, "encoder": {"name": "SSPool"}}, "clip": None}


def tensors():
    g = torch.Generator().manual_seed(0)
    return {"model/a": torch.randn(4, 3, generator=g), "ema/a": torch.randn(3, 4, generator=g).T, "optimizer/0/step": torch.tensor(7.0), "half": torch.ones(3, dtype=torch.bfloat16)}


def test_round_trip_is_exact_and_deterministic(tmp_path):
    paths = [tmp_path / "a" / "c.safetensors", tmp_path / "b" / "c.safetensors"]
    for path in paths:
        save_checkpoint(path, tensors(), {"identity": RUN, "step": 5, "loss": 0.1 + 0.2})
    assert paths[0].read_bytes() == paths[1].read_bytes()
    back, meta = load_checkpoint(paths[0], RUN)
    assert all(torch.equal(back[k], v) and back[k].dtype == v.dtype for k, v in tensors().items()) and len(back) == 4
    assert (meta["step"], meta["loss"]) == (5, 0.1 + 0.2) and os.listdir(tmp_path / "a") == ["c.safetensors"]


@pytest.mark.parametrize("change, line", [
    ({"seed": 4}, "seed: expected 4, found 3"),
    ({"policy": {**RUN["policy"], "encoder": {"name": "PRISM"}}}, "policy.encoder.name: expected 'PRISM', found 'SSPool'"),
    ({"policy": {**RUN["policy"], "low_dim": {"robot0_eef_pos": 3}}}, "policy.low_dim.robot0_eef_pos: expected 3, found None"),
    ({"clip": 1.0}, "clip: expected 1.0, found None"),
])
def test_refuses_another_run(tmp_path, change, line):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, tensors(), {"identity": RUN})
    with pytest.raises(CheckpointError) as e:
        load_checkpoint(path, {**RUN, **change})
    assert str(path) in str(e.value) and line in str(e.value) and "Train into another folder" in str(e.value)


def test_refuses_every_damage(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, tensors(), {"identity": RUN, "step": 5})
    whole = path.read_bytes()
    for size in (0, 5, 50, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match="c.safetensors"):
            load_checkpoint(path, RUN)
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(CheckpointError, match="c.safetensors.*(Move it away|backup)"):
            load_checkpoint(path, RUN)
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(CheckpointError, match="cannot be read as one.*Move it away"):
        read_meta(path)
    checkpoint.save_file({"a": torch.ones(3)}, path)  # a safetensors file of somebody else
    with pytest.raises(CheckpointError, match="expected a training checkpoint of this package"):
        load_checkpoint(path, RUN)


@pytest.mark.parametrize("header", ["", "3", "[]", "{}", '{"meta": {}}', '{"meta": [1], "sha256": ""}', '{"meta": null, "sha256": ""}'])
def test_refuses_a_foreign_header(tmp_path, header):
    path = tmp_path / "c.safetensors"
    checkpoint.save_file({"a": torch.ones(3)}, path, metadata={checkpoint.KEY: header})
    for read in (read_meta, lambda p: load_checkpoint(p, RUN)):
        with pytest.raises(CheckpointError, match="c.safetensors: expected a training checkpoint of this package, found .*Move it away"):
            read(path)


@pytest.mark.parametrize("text", [None, b"", b'{"identity": {"se', b"{}", b"[1]", b"3", b'{"identity": "me"}', b"\xff\xfe\x00"])
def test_refuses_a_damaged_note(tmp_path, text):
    path = tmp_path / "final" / "training.json"
    path.parent.mkdir()
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(CheckpointError, match="training.json: expected the note of a finished training, found .*or move .*final away"):
        read_identity(path)
    path.write_text(json.dumps({"identity": RUN, "step": 5}))
    check_identity(path, RUN, read_identity(path))
    with pytest.raises(CheckpointError, match="identity: expected None, found 'me'"):
        check_identity(path, RUN, "me")


def test_a_failed_write_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, tensors(), {"identity": RUN, "step": 5})

    def torn(tensors, tmp, metadata):
        tmp.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", torn)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, tensors(), {"identity": RUN, "step": 6})
    assert read_meta(path)["step"] == 5 and os.listdir(tmp_path) == ["c.safetensors"]
