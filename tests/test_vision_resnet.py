"""Tests of nbs/vision/10_resnet.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest
import torch

from prism_repro.vision.resnet import BasicBlock, ResNet18, group_norm, tap_channels


def test_names_are_torchvisions():
    "Every name and shape of torchvision's resnet18 without its classifier and without BatchNorm's running statistics."
    expected = {"conv1.weight": (64, 3, 7, 7), "bn1.weight": (64,), "bn1.bias": (64,)}
    before = 64
    for s, c in enumerate((64, 128, 256, 512), start=1):
        for b in (0, 1):
            p, into = f"layer{s}.{b}", before if b == 0 else c
            expected |= {f"{p}.conv1.weight": (c, into, 3, 3), f"{p}.conv2.weight": (c, c, 3, 3)}
            expected |= {f"{p}.{n}.{k}": (c,) for n in ("bn1", "bn2") for k in ("weight", "bias")}
        if s > 1:
            expected |= {f"layer{s}.0.downsample.0.weight": (c, before, 1, 1)}
            expected |= {f"layer{s}.0.downsample.1.{k}": (c,) for k in ("weight", "bias")}
        before = c
    assert {k: tuple(v.shape) for k, v in ResNet18().state_dict().items()} == expected


def test_parameter_counts():
    assert sum(p.numel() for p in ResNet18().parameters()) == 11_176_512
    assert sum(p.numel() for p in ResNet18(stages=3).parameters()) == 2_782_784


@pytest.mark.parametrize("width", [4, 16, 24, 56])
@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_every_width_and_depth(width, stages):
    net = ResNet18(width, stages)
    maps = net(torch.randn(2, 3, 36, 44))
    assert [m.shape[1] for m in maps] == net.channels == [width * 2**s for s in range(stages)]
    assert all(m.isfinite().all() for m in maps)


@pytest.mark.parametrize("size", [32, 33, 63, 64, 65, 76, 84, (37, 100)])
@pytest.mark.parametrize("stages", [1, 4])
def test_shapes_are_what_comes_out(size, stages):
    net = ResNet18(4, stages)
    h, w = (size, size) if isinstance(size, int) else size
    maps = net.features(torch.zeros(1, 3, h, w))
    assert {tap: tuple(m.shape[1:]) for tap, m in maps.items()} == net.shapes(size)
    assert list(maps) == list(tap_channels(4, stages)) and all(torch.equal(a, b) for a, b in zip(net(torch.zeros(1, 3, h, w)), list(maps.values())[2:]))


def test_every_norm_is_a_group_norm_of_16_channels():
    norms = [m for m in ResNet18().modules() if "Norm" in type(m).__name__]
    assert len(norms) == 20 and all(m.num_channels // m.num_groups == 16 for m in norms)


def test_a_sample_does_not_depend_on_its_batch():
    "What BatchNorm would break."
    torch.manual_seed(0)
    net, x = ResNet18(16), torch.randn(4, 3, 64, 64)
    torch.testing.assert_close(net(x)[-1][:1], net(x[:1])[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride,channels", [(1, 32), (2, 64)])
def test_block_is_the_equation(stride, channels):
    torch.manual_seed(0)
    block, x = BasicBlock(32, channels, stride), torch.randn(2, 32, 9, 9)
    F = torch.nn.functional
    inner = F.relu(block.bn1(F.conv2d(x, block.conv1.weight, stride=stride, padding=1)))
    skip = x if stride == 1 else block.downsample[1](F.conv2d(x, block.downsample[0].weight, stride=2))
    torch.testing.assert_close(block(x), F.relu(block.bn2(F.conv2d(inner, block.conv2.weight, padding=1)) + skip))


def test_starting_weights_are_he_fan_out():
    torch.manual_seed(0)
    for name, p in ResNet18().named_parameters():
        if p.ndim == 4:
            assert abs(p.std().item() / (2 / (p.shape[0] * p.shape[2] * p.shape[3])) ** 0.5 - 1) < 0.05, name


@pytest.mark.parametrize("kwargs", [dict(stages=0), dict(stages=5), dict(width=0)])
def test_impossible_networks_are_refused(kwargs):
    with pytest.raises(ValueError, match="choose"):
        ResNet18(**kwargs)


def test_images_that_do_not_fit_are_refused():
    net = ResNet18(16)
    for shape in [(2, 1, 76, 76), (2, 76, 76, 3), (3, 76, 76)]:
        with pytest.raises(ValueError, match=r"takes \[B, 3, H, W\]"):
            net(torch.zeros(shape))
    for bytes_or_numpy in (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), np.zeros((1, 3, 64, 64), np.float32)):
        with pytest.raises(ValueError, match="expected a tensor of floats"):
            ResNet18(width=8)(bytes_or_numpy)
    with pytest.raises(ValueError, match="at least 32 px"):
        net(torch.zeros(1, 3, 76, 31))
    with pytest.raises(ValueError, match="at least 32 px"):
        net.shapes(31)
    ResNet18(16, stages=3)(torch.zeros(1, 3, 16, 16))
