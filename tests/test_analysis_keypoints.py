"""Tests of nbs/analysis/78_keypoints.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from prism_repro.analysis.keypoints import Keypoints, describe, episodes_keypoints, keypoints, spatial_softmaxes, stride_of, to_pixels
from prism_repro.analysis.saliency import read_observation
from prism_repro.policies.policy import Policy
from prism_repro.vision.resnet import ResNet18

FIXTURES = Path(__file__).parent / "fixtures"


def policy_with(**encoder):
    config = Policy.from_pretrained(FIXTURES / "lift_policy").config
    return Policy.from_config(config | dict(encoder=encoder), seed=0)


def observed(policy, rows=(0, 3)):
    return read_observation(FIXTURES / "lift_annotations.hdf5", "demo_0", policy.config, list(rows))


def centre_of_view(layer, column, row, side):
    "Centre of the pixels that a cell depends on, from the gradient of a ResNet with symmetric kernels and no norms."
    net = ResNet18(2, layer)
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.GroupNorm):
                setattr(module, name, nn.Identity())
    net.maxpool = nn.AvgPool2d(3, 2, padding=1)
    for p in net.parameters():
        nn.init.constant_(p, 1 / p[0].numel())
    image = torch.ones(1, 3, side, side, requires_grad=True)
    features = net(image)[-1]
    features[0, 0, row, column].backward()
    weight = image.grad[0].sum(0).double().numpy()
    return np.array([(weight.sum(0) * np.arange(side)).sum(), (weight.sum(1) * np.arange(side)).sum()]) / weight.sum(), features.shape[2]


def check_place(convert):
    "A cell's pixel is the centre of its receptive field, at several depths and for sides that are no multiple of the stride."
    for layer, column, row, side in ((1, 9, 12, 90), (2, 11, 13, 203), (3, 15, 14, 440)):
        centre, cells = centre_of_view(layer, column, row, side)
        xy = 2 * np.array([column, row]) / (cells - 1) - 1
        assert np.abs(convert(xy, cells, side) - centre).max() < 0.05


def test_a_keypoint_is_drawn_where_its_cell_looks():
    check_place(lambda xy, n, side: to_pixels(xy, (n, n), stride_of(side, n)))
    for wrong in (
        lambda xy, n, side: (xy + 1) / 2 * (side - 1),  # the map stretched over the picture
        lambda xy, n, side: ((xy + 1) / 2 * (n - 1) + 0.5) * side / n - 0.5,  # cells as tiles
        lambda xy, n, side: to_pixels(xy[::-1], (n, n), stride_of(side, n)),  # x and y swapped
    ):
        with pytest.raises(AssertionError):
            check_place(wrong)


def test_strides_are_found_from_sizes():
    for side in range(34, 260):
        for n in range(1, 6):
            assert stride_of(side, -(-side // 2**n)) == 2**n
    with pytest.raises(ValueError, match="7 cells does not come from 76 pixels by halving"):
        stride_of(76, 7)


def test_the_frame_s_offset_counts():
    assert to_pixels([[1.0, -1.0]], (5, 9), 8, (3, 10)).tolist() == [[10 + 64, 3]]


@pytest.mark.parametrize("encoder, taps", [
    (dict(name="SSPool", width=8, num_kp=6), ["layer4"]),
    (dict(name="MS-SSPool", width=8), ["layer1", "layer2", "layer3", "layer4"]),
    (dict(name="PRISM", width=8, num_kp=6), ["layer1", "layer2", "layer3", "layer4"]),
    (dict(name="AvgPool", width=8), []),
], ids=lambda e: e["name"] if isinstance(e, dict) else "")
def test_every_spatial_softmax_is_found(encoder, taps):
    policy = policy_with(**encoder)
    obs, _ = observed(policy)
    for camera, found in keypoints(policy, obs).items():
        assert [points.tap for points in found] == taps == list(spatial_softmaxes(policy.encoder.encoders[camera]))
        for points in found:
            h, w = points.cells
            assert points.stride == {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}[points.tap] == stride_of(76, h)
            assert points.xy.min() >= 4 and points.xy.max() <= 4 + points.stride * (w - 1) and points.xy.shape[0] == 2
            assert (points.peak >= 1 / (h * w) - 1e-6).all() and (points.peak <= 1).all() and (points.spread >= 0).all()
    assert not any(m._forward_hooks for m in policy.modules())


def test_they_are_the_numbers_that_the_policy_uses():
    "The UNet's condition holds the same keypoints, in the grid's units."
    policy = Policy.from_pretrained(FIXTURES / "lift_policy").eval()
    obs, _ = observed(policy)
    (points,) = keypoints(policy, obs)["agentview"]
    batch = {k: torch.as_tensor(v[:, :, 4:80, 4:80].transpose(0, 1, 4, 2, 3) / 255).float() if k in policy.config["cameras"] else torch.as_tensor(v) for k, v in obs.items()}
    with torch.no_grad():
        used = policy.condition(batch)[:, : 2 * 16].numpy().reshape(2, 16, 2)
    h, w = points.cells
    assert np.abs(4 + points.stride * (used + 1) / 2 * [w - 1, h - 1] - points.xy).max() < 1e-3
    shuffled = policy_with(name="SSPool", width=8, shuffle="per_sample")
    assert keypoints(shuffled, observed(shuffled)[0])["agentview"][0].xy.shape == (2, 32, 2)


def test_peak_and_spread_tell_a_point_from_a_cloud():
    policy = policy_with(name="SSPool", width=8, num_kp=2)
    obs, _ = observed(policy)
    for encoder in policy.encoder.encoders.values():
        nn.init.zeros_(encoder.head.conv.weight)
    (cloud,) = keypoints(policy, obs)["agentview"]
    assert np.allclose(cloud.peak, 1 / 9) and np.allclose(cloud.xy, 4 + 32) and np.allclose(cloud.spread, 32 * np.sqrt(2 * 2 / 3))


def test_an_episode_is_summed_up():
    xy = np.array([[[10.0, 20.0], [30.0, 40.0]], [[13.0, 24.0], [30.0, 40.0]]])
    masks = np.zeros((2, 84, 84), np.uint8)
    masks[0, 20, 10], masks[1, 40, 30] = 1, 2
    found = describe(Keypoints("layer4", 32, (3, 3), xy, np.full((2, 2), 0.5), np.full((2, 2), 3.0)), masks, np.array([4, 6]))
    assert found == dict(tap="layer4", on_object=0.25, on_gripper=0.25, on_arm=0.0, spread=3.0, peak=0.5, move=(5 / 2 + 0) / 2)
    policy = Policy.from_pretrained(FIXTURES / "lift_policy")
    episodes = episodes_keypoints(policy, FIXTURES / "lift_annotations.hdf5", every=18, max_episodes=2)["robot0_eye_in_hand"]
    assert [e["episode"] for e in episodes] == ["demo_0", "demo_1"] and episodes[0]["frames"] == 3 and episodes[0]["taps"][0]["tap"] == "layer3"
