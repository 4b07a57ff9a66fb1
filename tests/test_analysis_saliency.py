"""Tests of nbs/analysis/77_saliency.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from prism_repro.analysis.saliency import Settings, episodes_saliency, folder_saliency, measure, read_observation, saliency, seen, short_sampler, stages
from prism_repro.policies.ddpm import DDPM
from prism_repro.policies.flow_matching import FlowMatching
from prism_repro.policies.meanflow import MeanFlow
from prism_repro.policies.policy import Policy

FIXTURES = Path(__file__).parent / "fixtures"
QUICK = Settings(copies=2, draws=2)


class PatchPolicy(nn.Module):
    "Looks at one patch of its crop and nothing else, non-linearly; two cameras, of which it ignores the second."

    def __init__(self, rows, columns, crop=30, Ta=3):
        super().__init__()
        self.rows, self.columns, self.weights = rows, columns, nn.Parameter(torch.randn(3 * 20, Ta, generator=torch.Generator().manual_seed(0)))
        self.config = dict(cameras=["agentview"], low_dim={}, crop_size=crop, image_size=40, To=2, Tp=Ta + 1, Ta=Ta, action_dim=1)
        self.objective = SimpleNamespace(num_steps=1, sample=lambda net, cond, noise: net(cond) + 0 * noise)
        self.unet = lambda cond: torch.tanh(torch.nn.functional.pad(cond @ self.weights, (1, 0)))[:, :, None]

    def condition(self, obs):
        return obs["agentview"][:, -1, :, self.rows, self.columns].flatten(1)


def check_patch(found, rows, columns, crop=30):
    "All saliency lies in the patch (given in crop pixels), whose mask is drawn on the frame."
    mask = np.zeros((40, 40), np.uint8)
    mask[5 + rows.start : 5 + rows.stop, 5 + columns.start : 5 + columns.stop] = 1
    assert measure(found, mask, crop)["share_object"] > 0.999 and measure(found, mask, crop)["pointing_object"] == 1


def test_a_policy_that_looks_at_one_patch_has_its_saliency_there_and_errors_of_place_show():
    rows, columns = slice(4, 8), slice(20, 25)
    frames = np.random.default_rng(0).integers(0, 256, (2, 2, 40, 40, 3), dtype=np.uint8)
    for target in ("jacobian", "norm", "abs"):
        found = saliency(PatchPolicy(rows, columns), {"agentview": frames}, Settings(target=target, copies=4))["agentview"]
        for one in found:
            check_patch(one, rows, columns)
    with pytest.raises(AssertionError):
        check_patch(found[0].T, rows, columns)  # x and y swapped
    forgotten = np.zeros_like(found[0])
    forgotten[:30, :30] = found[0][seen((40, 40), 30)]
    with pytest.raises(AssertionError):
        check_patch(forgotten, rows, columns)  # the crop's offset left out


def test_several_outputs_estimate_the_jacobian():
    "Sum of squares over all executed outputs; within 5 % with many copies. Without the signs, outputs cancel."
    weights = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))

    class Linear(PatchPolicy):
        def __init__(self):
            super().__init__(slice(4, 8), slice(20, 25))
            self.unet = lambda cond: torch.nn.functional.pad(cond @ self.weights, (1, 0))[:, :, None]

    policy, frames = Linear(), np.zeros((1, 2, 40, 40, 3), np.uint8)
    assert torch.equal(policy.weights, weights)
    truth = policy.weights.detach().square().sum(1).unflatten(0, (3, 4, 5)).sum(0).numpy()

    def check(found):
        assert np.abs(found["agentview"][0][9:13, 25:30] / truth - 1).mean() < 0.05

    check(saliency(policy, {"agentview": frames}, Settings(copies=2000)))
    with pytest.raises(AssertionError):
        summed = policy.weights.detach().sum(1).unflatten(0, (3, 4, 5)).square().sum(0).numpy()
        found = np.zeros((1, 40, 40))
        found[0, 9:13, 25:30] = summed
        check({"agentview": found})


def test_a_frame_s_map_depends_on_its_name_and_not_on_its_company():
    policy = Policy.from_pretrained(FIXTURES / "lift_policy")
    obs, masks = read_observation(FIXTURES / "lift_annotations.hdf5", "demo_0", policy.config, [0, 3])
    both = saliency(policy, obs, QUICK, keys=[(0, 0), (0, 18)])
    alone = saliency(policy, {k: v[1:] for k, v in obs.items()}, QUICK, keys=[(0, 18)])
    other = saliency(policy, {k: v[1:] for k, v in obs.items()}, QUICK, keys=[(0, 19)])
    for camera in both:
        assert np.array_equal(both[camera][1], alone[camera][0]) and not np.array_equal(alone[camera], other[camera])
        assert both[camera].shape == (2, 84, 84) and masks[camera].shape == (2, 84, 84) and both[camera][:, :4].sum() == both[camera][:, :, 80:].sum() == 0


@pytest.mark.parametrize("objective", [dict(name="FM", num_steps=3), dict(name="DP"), dict(name="MF")])
@pytest.mark.parametrize("encoder", [dict(name="SSPool", num_kp=8), dict(name="AvgPool"), dict(name="MS-MaxPool"), dict(name="PRISM", num_kp=8)], ids=lambda e: e["name"])
def test_every_head_and_objective_has_a_map(encoder, objective):
    config = Policy.from_pretrained(FIXTURES / "lift_policy").config
    config = config | dict(encoder=encoder | dict(width=8), objective=objective)
    policy = Policy.from_config(config, seed=0)
    obs, _ = read_observation(FIXTURES / "lift_annotations.hdf5", "demo_1", config, [2])
    for found in saliency(policy, obs, Settings(copies=1, draws=1, steps=2)).values():
        assert np.isfinite(found).all() and found.max() > 0
    assert all(p.grad is None for p in policy.parameters())


def test_the_short_sampler_is_the_policy_s_own_where_that_is_short():
    for objective in (FlowMatching(10), MeanFlow()):
        assert short_sampler(objective, 10) is objective
    short = short_sampler(DDPM(), 10)
    assert (short.sampler, short.num_steps, short.train_steps) == ("DDIM", 10, 100) and short_sampler(FlowMatching(40), 10) == FlowMatching(10)


def test_hidden_parts_do_not_count_and_the_others_do():
    found, mask = np.ones((40, 40)), np.zeros((40, 40), np.uint8)
    mask[:5], mask[10:14, 10:14] = 1, 2  # the first is outside the crop
    m = measure(found, mask, 30)
    assert m["share_object"] is None and m["area_object"] is None and m["pointing_object"] is None and m["pointing_task"] == 0
    assert np.isclose(m["share_gripper"], 16 / 900) and np.isclose(m["entropy"], 1)
    found[12, 12] = 1e6
    m = measure(found, mask, 30)
    assert m["pointing_task"] == 1 and m["share_gripper"] > 0.99 and m["entropy"] < 0.02


def test_episodes_are_measured_one_by_one():
    policy = Policy.from_pretrained(FIXTURES / "lift_policy")
    found = episodes_saliency(policy, FIXTURES / "lift_annotations.hdf5", QUICK, every=18, max_episodes=2)
    assert set(found) == {"agentview", "robot0_eye_in_hand"} and [e["episode"] for e in found["agentview"]] == ["demo_0", "demo_1"]
    for episode in found["agentview"]:
        assert episode["frames"] == 3 and 0 < episode["share_object"] < 1 and episode["area_object"] < 0.02


def test_a_saved_policy_is_asked_before_and_after_training():
    args = FIXTURES / "lift_policy", FIXTURES / "lift_annotations.hdf5", QUICK
    after, before = (folder_saliency(*args, every=60, max_episodes=1, untrained=flag) for flag in (False, True))
    again = episodes_saliency(Policy.from_pretrained(args[0]), *args[1:], every=60, max_episodes=1)
    assert after == again and before != after and before["agentview"][0]["area_object"] == after["agentview"][0]["area_object"]


def test_bad_input_gets_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="no saliency target 'max'"):
        Settings(target="max")
    with pytest.raises(ValueError, match="at least 1"):
        Settings(copies=0)
    with pytest.raises(ValueError, match="annotate at the policy's image size"):
        measure(np.ones((40, 40)), np.ones((84, 84), np.uint8), 30)
    with pytest.raises(ValueError, match="ignores the camera"):
        measure(np.zeros((40, 40)), np.ones((40, 40), np.uint8), 30)
    policy = Policy.from_pretrained(FIXTURES / "lift_policy")
    with pytest.raises(ValueError, match="every 6. step; the policy needs 84 px and every step, because it observes 2 frames"):
        read_observation(FIXTURES / "lift_annotations.hdf5", "demo_0", policy.config | dict(To=2), [0])
    with pytest.raises(ValueError, match="the policy needs 96 px: annotate again"):
        read_observation(FIXTURES / "lift_annotations.hdf5", "demo_0", policy.config | dict(image_size=96), [0])


def test_every_frame_has_a_key_and_the_policy_s_size():
    policy = Policy.from_pretrained(Path(__file__).parent / "fixtures" / "lift_policy")
    side, To = policy.config["image_size"], policy.config["To"]
    obs = {c: np.zeros((2, To, side, side, 3), np.uint8) for c in policy.config["cameras"]} | {k: np.zeros((2, To, d), np.float32) for k, d in policy.config["low_dim"].items()}
    with pytest.raises(ValueError, match="1 keys name 2 frames"):
        saliency(policy, obs, keys=[(0,)])
    smaller = obs | {policy.config["cameras"][0]: np.zeros((2, To, side - 4, side - 4, 3), np.uint8)}
    with pytest.raises(ValueError, match="annotate at the policy's image size"):
        saliency(policy, smaller)
