"""Tests of nbs/policies/57_onnx.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import copy
import json
import sys

import pytest
import torch

from prism_repro.policies import onnx as module
from prism_repro.policies.ddpm import DDPM
from prism_repro.policies.meanflow import MeanFlow
from prism_repro.policies.onnx import export_onnx
from prism_repro.policies.policy import Policy


CONFIG = {
    "task": "lift", "cameras": ["b_cam", "a_cam"], "low_dim": {"robot0_eef_quat": 4, "robot0_eef_pos": 3}, "image_size": 16, "crop_size": 16, "To": 1, "Tp": 4, "Ta": 4,
    "action_dim": 7, "encoder": {"name": "AvgPool", "width": 2, "stages": 1}, "unet": {"down_dims": [8], "step_embed_dim": 8}, "objective": {"name": "FM"},
}


@pytest.fixture
def policy():
    return Policy.from_config(CONFIG, seed=0)


def test_the_policy_stays_as_it_is_and_inputs_are_sorted(policy, tmp_path, recwarn, capfd):
    policy.train().double()
    before = copy.deepcopy(policy.state_dict())
    export_onnx(policy, tmp_path / "new" / "folder")
    assert policy.training and all(m.training for m in policy.modules()) and all(torch.equal(x, before[k]) for k, x in policy.state_dict().items())
    page = json.loads((tmp_path / "new" / "folder" / "policy.json").read_text())
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["denoiser.onnx", "encoder.onnx", "policy.json"]
    assert set(page["encoder"]["inputs"]) == {"a_cam", "b_cam", "robot0_eef_pos", "robot0_eef_quat"}
    assert page["encoder"]["inputs"]["a_cam"] == {"dtype": "uint8", "shape": ["batch", 1, 16, 16, 3]}
    assert page["config"] == policy.config
    assert not recwarn.list and capfd.readouterr() == ("", "")


def test_the_second_time_is_an_input_for_meanflow_alone(policy):
    assert list(module.denoiser_inputs(policy)) == ["x", "t", "cond"]
    policy.objective = MeanFlow()
    assert list(module.denoiser_inputs(policy)) == ["x", "t", "cond", "r"]


def test_what_numpy_cannot_follow_is_refused_before_anything_is_written(policy, tmp_path):
    policy.objective = DDPM(train_steps=50, num_steps=50)
    with pytest.raises(ValueError, match=r"DDPM\(train_steps=50, num_steps=10, sampler='DDIM'\)"):
        export_onnx(policy, tmp_path)
    policy.objective = object()
    with pytest.raises(ValueError, match="no exported sampler for object"):
        export_onnx(policy, tmp_path)
    assert not list(tmp_path.iterdir())


def test_damaged_weights_and_what_is_no_policy_are_refused(policy, tmp_path):
    with torch.no_grad():
        policy.unet.final_conv[1].bias[0] = float("nan")
    with pytest.raises(ValueError, match="1 tensors .* not finite, first of all unet.final_conv.1.bias"):
        export_onnx(policy, tmp_path)
    for wrong, name in ((str(tmp_path), "str"), (policy.encoder, "ObservationEncoder")):
        with pytest.raises(ValueError, match=f"not {name}: read a saved one"):
            export_onnx(wrong, tmp_path)
    assert not list(tmp_path.iterdir())


def test_shuffling_encoders_are_refused(policy, tmp_path):
    policy.encoder.shuffle = "per_batch"
    with pytest.raises(ValueError, match="shuffle='per_batch'"):
        export_onnx(policy, tmp_path)
    assert not list(tmp_path.iterdir())


def test_missing_packages_are_named(policy, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ModuleNotFoundError, match=r"onnxscript.*pip install prism_repro\[onnx\]"):
        export_onnx(policy, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_crash_between_the_files_leaves_no_page_that_fits(policy, tmp_path, monkeypatch):
    module.write_graphs(policy, tmp_path, b"old encoder", b"old denoiser")
    real = module.write_atomic

    def crash(path, content):
        if path.name == "denoiser.onnx":
            raise OSError("disk full")
        real(path, content)

    monkeypatch.setattr(module, "write_atomic", crash)
    with pytest.raises(OSError, match="disk full"):
        module.write_graphs(policy, tmp_path, b"new encoder", b"new denoiser")
    page = json.loads((tmp_path / "policy.json").read_text())
    assert page["encoder"]["sha256"] == module.sha256(b"old encoder") != module.sha256((tmp_path / "encoder.onnx").read_bytes())
