"""Tests of nbs/vision/11_pooling.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import math

import pytest
import torch

from prism_repro.vision.pooling import AvgPool, MaxPool, NoPool, PooledResNet, SSPool, spatial_softmax


def by_hand(name, features, tau=1.0):
    "The four formulas with loops, for one sample [C H W] in float64."
    vector = []
    for channel in features.tolist():
        h, w = len(channel), len(channel[0])
        cells = [(channel[i][j], -1 + 2 * j / (w - 1), -1 + 2 * i / (h - 1)) for i in range(h) for j in range(w)]  # value, x, y
        if name == "AvgPool":
            vector.append(sum(f for f, _, _ in cells) / (h * w))
        elif name == "MaxPool":
            vector.append(max(f for f, _, _ in cells))
        elif name == "NoPool":
            vector += [f for f, _, _ in cells]
        else:
            total = sum(math.exp(f / tau) for f, _, _ in cells)
            p = [math.exp(f / tau) / total for f, _, _ in cells]
            vector += [sum(w * x for w, (_, x, _) in zip(p, cells)), sum(w * y for w, (_, _, y) in zip(p, cells))]
    return torch.tensor(vector, dtype=torch.float64)


def check_head(name, head, tau=1.0):
    torch.manual_seed(0)
    features = torch.randn(3, 4, 5, 6, dtype=torch.float64)
    mixed = head.conv(features) if isinstance(head, SSPool) else features
    for vector, sample in zip(head(features), mixed):
        torch.testing.assert_close(vector, by_hand(name, sample.detach(), tau), rtol=0, atol=1e-12)


HEADS = {"AvgPool": AvgPool(), "MaxPool": MaxPool(), "NoPool": NoPool(), "SSPool": SSPool(4, None, 0.7), "projected": SSPool(4, 3, 0.7).double()}


@pytest.mark.parametrize("name", HEADS)
def test_head_is_its_formula(name):
    check_head(name, HEADS[name], 0.7)


class Swapped(SSPool):
    def forward(self, features):
        return super().forward(features).unflatten(1, (-1, 2)).flip(2).flatten(1)  # y before x


class Apart(SSPool):
    def forward(self, features):
        return super().forward(features).unflatten(1, (-1, 2)).transpose(1, 2).flatten(1)  # all x, then all y


class Transposed(NoPool):
    def forward(self, features):
        return features.transpose(2, 3).flatten(1)


@pytest.mark.parametrize("name,broken", [("SSPool", Swapped(4, None, 0.7)), ("SSPool", Apart(4, None, 0.7)), ("SSPool", SSPool(4, None, 0.71)),
                                         ("NoPool", Transposed()), ("AvgPool", MaxPool()), ("MaxPool", AvgPool())])  # fmt: skip
def test_the_check_notices_a_wrong_head(name, broken):
    with pytest.raises(AssertionError):
        check_head(name, broken, 0.7)


@pytest.mark.parametrize("name", HEADS)
def test_gradients_are_the_formulas(name):
    torch.manual_seed(1)
    assert torch.autograd.gradcheck(HEADS[name], torch.randn(2, 4, 3, 4, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("h,w", [(3, 3), (5, 7), (1, 4), (19, 2)])
def test_keypoint_of_every_cell_is_its_centre(h, w):
    for i in range(h):
        for j in range(w):
            features = torch.zeros(1, 1, h, w)
            features[0, 0, i, j] = 200.0
            x, y = spatial_softmax(features)[0, 0].tolist()
            assert x == pytest.approx(-1 + 2 * j / (w - 1) if w > 1 else -1, abs=1e-5)
            assert y == pytest.approx(-1 + 2 * i / (h - 1) if h > 1 else -1, abs=1e-5)


def test_vector_is_interleaved():
    pool = SSPool(8, num_kp=3)
    features = torch.randn(2, 8, 5, 5)
    torch.testing.assert_close(pool(features).view(2, 3, 2), spatial_softmax(pool.conv(features)))


def test_one_keypoint_a_channel_has_no_parameters():
    pool, features = SSPool(6, num_kp=None), torch.randn(2, 6, 4, 4)
    assert not list(pool.parameters()) and pool.size(6) == 12
    torch.testing.assert_close(pool(features), spatial_softmax(features).flatten(1))


def test_cold_is_the_maximum_and_hot_is_the_middle():
    torch.manual_seed(0)
    features = torch.randn(5, 2, 7, 7)
    best = features.flatten(2).argmax(2)
    at_best = torch.stack([best % 7, best // 7], dim=2) / 3 - 1
    torch.testing.assert_close(SSPool(2, None, 1e-4)(features), at_best.flatten(1), rtol=0, atol=1e-3)
    torch.testing.assert_close(SSPool(2, None, 1e4)(features), torch.zeros(5, 4), rtol=0, atol=1e-3)


def test_a_learnt_temperature_stays_positive():
    "The middle of the map is the best answer here, so tau only wants to grow; then it only wants to shrink."
    torch.manual_seed(0)
    pool, features = SSPool(2, None, 0.5, learn_temperature=True), torch.randn(8, 2, 5, 5)
    assert list(pool.state_dict()) == ["log_temperature"] and pool.temperature.item() == pytest.approx(0.5)
    torch.testing.assert_close(pool(features), SSPool(2, None, 0.5)(features))
    optimizer = torch.optim.SGD(pool.parameters(), lr=3.0)
    seen = []
    for sign in [1] * 10 + [-1] * 40:
        optimizer.zero_grad()
        (sign * pool(features).square().mean()).backward()
        optimizer.step()
        seen.append(pool.temperature.item())
    assert min(seen) > 0 and seen[9] > 0.6 and seen[-1] < 0.4 and math.isfinite(seen[-1])


def test_coordinates_stay_precise_under_autocast():
    torch.manual_seed(0)
    features = (torch.randn(2, 4, 19, 19) * 3).bfloat16()
    for pool in (SSPool(4, None), SSPool(4, None, 0.3), SSPool(4, None, 0.3, learn_temperature=True)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            low = pool(features)
        assert low.dtype == torch.float32
        torch.testing.assert_close(low, pool(features.float()), rtol=0, atol=1e-5)


def test_huge_activations_do_not_overflow():
    features = torch.zeros(1, 1, 3, 3)
    features[0, 0, 0, 2] = 1e6
    assert spatial_softmax(features)[0, 0].tolist() == [1.0, -1.0]


@pytest.mark.parametrize("head", [SSPool(64, 4), SSPool(64, None, learn_temperature=True), AvgPool(), MaxPool(), NoPool()])
def test_gradients_reach_every_parameter(head):
    net = PooledResNet(head, width=8, image_size=44)
    net(torch.randn(2, 3, 44, 44)).square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    assert net.backbone.conv1.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("stages,dims", [(4, (64, 512, 512, 4608)), (3, (64, 256, 256, 6400))])
@pytest.mark.parametrize("width,factor", [(64, 1), (16, 4)])
def test_sizes(stages, dims, width, factor):
    channels = width * 2 ** (stages - 1)
    sizes = [PooledResNet(h, width, stages, image_size=76).out_dim for h in (SSPool(channels), AvgPool(), MaxPool(), NoPool())]
    assert sizes == [dims[0], *(d // factor for d in dims[1:])]


def test_no_pool_keeps_to_its_map():
    net = PooledResNet(NoPool(), width=8, image_size=(76, 100))
    assert net.out_dim == 64 * 3 * 4 == net(torch.zeros(1, 3, 76, 100)).shape[1]
    net(torch.zeros(1, 3, 80, 98))  # other pixels, the same 3x4 cells
    for h, w in [(100, 76), (76, 76), (128, 128)]:
        with pytest.raises(ValueError, match="built for 3x4 cells"):
            net(torch.zeros(1, 3, h, w))
    with pytest.raises(ValueError, match="say image_size"):
        PooledResNet(NoPool(), width=8)


def test_other_heads_take_any_size():
    for head in (SSPool(64, 4), AvgPool(), MaxPool()):
        net = PooledResNet(head, width=8, image_size=76)
        assert net(torch.zeros(1, 3, 44, 90)).shape == (1, net.out_dim)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="1x1 cells"):
        SSPool(4)(torch.zeros(1, 4, 1, 1))
    with pytest.raises(ValueError, match="four stages needs 33 px"):
        PooledResNet(SSPool(64), width=8, image_size=32)
    with pytest.raises(ValueError, match=r"build SSPool\(128\)"):
        PooledResNet(SSPool(512), width=16)
    with pytest.raises(ValueError, match=r"build SSPool\(5\)"):
        SSPool(4)(torch.zeros(1, 5, 3, 3))
    for kwargs in (dict(num_kp=0), dict(temperature=0.0)):
        with pytest.raises(ValueError, match="whole num_kp >= 1 and temperature > 0"):
            SSPool(4, **kwargs)


@pytest.mark.parametrize("head,n", [(SSPool(512), 11_192_928), (AvgPool(), 11_176_512)])
def test_parameter_counts(head, n):
    assert sum(p.numel() for p in PooledResNet(head).parameters()) == n
