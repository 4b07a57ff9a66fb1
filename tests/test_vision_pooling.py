"""Tests of nbs/vision/11_pooling.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch

from prism_repro.vision.pooling import AvgPool, PooledResNet, SSPool, spatial_softmax


@pytest.mark.parametrize("h,w", [(3, 3), (5, 7), (1, 4), (19, 2)])
def test_keypoint_of_every_cell_is_its_centre(h, w):
    for i in range(h):
        for j in range(w):
            features = torch.zeros(1, 1, h, w)
            features[0, 0, i, j] = 200.0
            x, y = spatial_softmax(features)[0, 0].tolist()
            assert x == pytest.approx(-1 + 2 * j / (w - 1) if w > 1 else -1, abs=1e-5)
            assert y == pytest.approx(-1 + 2 * i / (h - 1) if h > 1 else -1, abs=1e-5)


def test_agrees_with_the_sum_written_out():
    "Eq. 1 in plain Python."
    import math

    torch.manual_seed(0)
    features, tau = torch.randn(3, 4, dtype=torch.float64), 0.7
    e = [[math.exp(v / tau) for v in row] for row in features.tolist()]
    total = sum(map(sum, e))
    x = sum(e[i][j] / total * (-1 + 2 * j / 3) for i in range(3) for j in range(4))
    y = sum(e[i][j] / total * (-1 + i) for i in range(3) for j in range(4))
    torch.testing.assert_close(spatial_softmax(features[None, None], tau)[0, 0], torch.tensor([x, y], dtype=torch.float64))


def test_vector_is_interleaved():
    pool = SSPool(8, num_kp=3)
    features = torch.randn(2, 8, 5, 5)
    torch.testing.assert_close(pool(features).view(2, 3, 2), spatial_softmax(pool.conv(features)))


def test_coordinates_stay_precise_under_autocast():
    torch.manual_seed(0)
    features = (torch.randn(2, 4, 19, 19) * 3).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = spatial_softmax(features)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, spatial_softmax(features.float()), rtol=0, atol=1e-5)


def test_huge_activations_do_not_overflow():
    features = torch.zeros(1, 1, 3, 3)
    features[0, 0, 0, 2] = 1e6
    assert spatial_softmax(features)[0, 0].tolist() == [1.0, -1.0]


def test_gradients_reach_every_parameter():
    for head in (SSPool(128, num_kp=4), AvgPool()):
        net = PooledResNet(head, width=16)
        net(torch.randn(2, 3, 76, 76)).square().sum().backward()
        assert all(p.grad is not None for p in net.parameters())
        assert net.backbone.conv1.weight.grad.abs().sum() > 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="1x1 cells"):
        SSPool(4)(torch.zeros(1, 4, 1, 1))
    with pytest.raises(ValueError, match=r"build SSPool\(128\)"):
        PooledResNet(SSPool(512), width=16)
    with pytest.raises(ValueError, match=r"build SSPool\(5\)"):
        SSPool(4)(torch.zeros(1, 5, 3, 3))
    for kwargs in (dict(num_kp=0), dict(temperature=0.0)):
        with pytest.raises(ValueError, match="num_kp >= 1 and temperature > 0"):
            SSPool(4, **kwargs)


@pytest.mark.parametrize("head,n", [(SSPool(512), 11_192_928), (AvgPool(), 11_176_512)])
def test_parameter_counts(head, n):
    assert sum(p.numel() for p in PooledResNet(head).parameters()) == n
