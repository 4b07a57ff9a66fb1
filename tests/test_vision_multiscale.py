"""Tests of nbs/vision/12_multiscale.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch
from torch import nn

from prism_repro.vision.multiscale import READINGS, MultiscaleResNet, ms_sspool
from prism_repro.vision.pooling import AvgPool, MaxPool, NoPool, SSPool, spatial_softmax
from prism_repro.vision.resnet import tap_channels

LAYERS = {tap: c for tap, c in tap_channels(8).items() if tap.startswith("layer")}
HEADS = {"SSPool": lambda c: SSPool(c, 5), "per channel": lambda c: SSPool(c, None), "AvgPool": lambda c: AvgPool(), "MaxPool": lambda c: MaxPool(), "NoPool": lambda c: NoPool()}


def check_equation_2(net, images):
    "Stage by stage, shallow to deep, with the blocks applied by hand: convolutions, norms and ReLU as the equation's R_s has them."
    F, maps, z = torch.nn.functional, net.backbone(images), []
    for features, r, pool in zip(maps, net.refine, net.pool):
        inner = F.relu(r.bn1(F.conv2d(features, r.conv1.weight, padding=1)))
        refined = F.relu(r.bn2(F.conv2d(inner, r.conv2.weight, padding=1)) + features)
        z.append(spatial_softmax(F.conv2d(refined, pool.conv.weight, pool.conv.bias)).flatten(1))
    torch.testing.assert_close(net(images), torch.cat(z, dim=1), rtol=0, atol=1e-12)


def small(refine=True):
    torch.manual_seed(0)
    return MultiscaleResNet({tap: SSPool(c, 5) for tap, c in LAYERS.items()}, width=8, refine=refine).double()


def test_it_is_equation_2():
    check_equation_2(small(), torch.rand(2, 3, 48, 60, dtype=torch.float64))


class Backwards(MultiscaleResNet):
    def forward(self, images):
        return torch.cat(self.parts(images)[::-1], dim=1)


class Unrefined(MultiscaleResNet):
    def forward(self, images):
        return torch.cat([pool(m) for m, pool in zip(self.backbone(images), self.pool)], dim=1)


@pytest.mark.parametrize("broken", [Backwards, Unrefined])
def test_the_check_notices_a_wrong_encoder(broken):
    net = small()
    net.__class__ = broken
    with pytest.raises(AssertionError):
        check_equation_2(net, torch.rand(2, 3, 48, 60, dtype=torch.float64))


def test_without_refining_it_is_the_pooled_maps():
    net, images = small(refine=False), torch.rand(2, 3, 48, 60, dtype=torch.float64)
    expected = [spatial_softmax(pool.conv(m)).flatten(1) for m, pool in zip(net.backbone(images), net.pool)]
    assert torch.equal(net(images), torch.cat(expected, dim=1)) and not list(net.refine.parameters())


@pytest.mark.parametrize("refine", [True, False, 12])
@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("taps", [list(LAYERS), list(tap_channels(8)), ["layer2"], ["layer3", "conv1"]])
def test_any_head_at_any_taps(name, taps, refine):
    channels = tap_channels(8)
    heads = {tap: HEADS[name](12 if refine == 12 else channels[tap]) for tap in taps}
    net = MultiscaleResNet(heads, width=8, refine=refine, image_size=(44, 52))
    parts = net.parts(torch.rand(1, 3, 44, 52))
    assert [p.shape[1] for p in parts] == net.sizes and net(torch.rand(1, 3, 44, 52)).shape == (1, net.out_dim)
    assert net.taps == [tap for tap in channels if tap in taps] and net.keypoints == (name in ("SSPool", "per channel"))
    assert net.backbone.stages == max(int(tap[5:]) for tap in taps if tap.startswith("layer"))


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("reading", READINGS)
def test_every_reading_has_384_numbers_and_trains(reading, refine):
    if reading == "a" and not refine:
        pytest.skip("reading a takes its channels from the refine blocks")
    with torch.device("meta"):
        assert ms_sspool(reading, 64, refine=refine, image_size=76).out_dim == 384
    torch.manual_seed(0)
    net = ms_sspool(reading, 8, refine=refine, learn_temperature=True, image_size=44)
    net(torch.rand(2, 3, 44, 44)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_refine_blocks_start_from_he_fan_out():
    torch.manual_seed(0)
    weight = MultiscaleResNet({"layer4": AvgPool()}, width=16).refine[0].conv1.weight
    assert abs(weight.std().item() / (2 / (weight.shape[0] * 9)) ** 0.5 - 1) < 0.05


def test_no_pool_keeps_to_its_maps():
    "The deepest maps of 68 and 76 px are alike, the first are not."
    net = MultiscaleResNet({tap: NoPool() for tap in LAYERS}, width=8, image_size=76)
    assert net.out_dim == 8 * 19**2 + 16 * 10**2 + 32 * 5**2 + 64 * 3**2
    with pytest.raises(ValueError, match="17x17 cells, but this encoder was built for 19x19"):
        net(torch.zeros(1, 3, 68, 68))
    with pytest.raises(ValueError, match="say image_size"):
        MultiscaleResNet({tap: NoPool() for tap in LAYERS}, width=8)


def test_what_does_not_fit_is_refused():
    for heads in ({}, {"layer5": AvgPool()}, {"conv1": AvgPool()}, {"layer1": AvgPool(), "fc": AvgPool()}):
        with pytest.raises(ValueError, match="name some of"):
            MultiscaleResNet(heads, width=8)
    with pytest.raises(ValueError, match=r"build SSPool\(16\)"):
        MultiscaleResNet({"layer2": SSPool(8)}, width=8)
    with pytest.raises(ValueError, match="33 px"):
        ms_sspool(width=8, image_size=32)
    with pytest.raises(ValueError, match=r"takes \[B, 3, H, W\]"):
        ms_sspool(width=8)(torch.zeros(1, 1, 76, 76))
    with pytest.raises(ValueError, match="from the refine blocks"):
        ms_sspool("a", width=8, refine=False)
    with pytest.raises(ValueError, match="choose one of a, b, c, d, e"):
        ms_sspool("g")
