"""Tests of nbs/training/60_ema.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch
from torch import nn

from prism_repro.training.ema import EMA, ema_decay


def published_decay(k, power=0.75, inv_gamma=1.0, max_decay=0.9999):
    "The rule as Diffusion Policy writes it."
    step = max(0, k - 1)
    value = 1 - (1 + step / inv_gamma) ** -power
    return 0.0 if step <= 0 else max(0.0, min(value, max_decay))


def nets():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    net[2].bias.requires_grad_(False)
    return net


@pytest.mark.parametrize("kw", [{}, {"power": 2 / 3, "inv_gamma": 4.0}, {"max_decay": 0.5}])
def test_equals_the_rule_applied_one_parameter_at_a_time(kw):
    net = nets()
    ema, slow = EMA(net, **kw), [p.detach().double().clone() for p in net.parameters()]
    for k in range(20):
        with torch.no_grad():
            for p in net.parameters():
                p.add_(torch.randn_like(p))
        decay = published_decay(k, **kw)
        assert ema_decay(k, **kw) == pytest.approx(decay, abs=1e-15)
        slow = [decay * s + (1 - decay) * p.detach().double() for s, p in zip(slow, net.parameters())]
        ema.update(net)
        if k < 2:
            assert all(torch.equal(a, p) for a, p in zip(ema.average.values(), net.parameters()))
    for a, s in zip(ema.average.values(), slow):
        assert torch.allclose(a.double(), s, atol=1e-6)


def test_swap_restores_the_bits_even_after_an_error():
    net = nets()
    ema = EMA(net)
    with torch.no_grad():
        net[0].weight.mul_(3)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(ZeroDivisionError):
        with ema.swapped_in(net):
            assert torch.equal(net[0].weight, ema.average["0.weight"]) and not torch.equal(net[0].weight, before["0.weight"])
            1 / 0
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    with torch.no_grad():
        net[0].weight.zero_()
    assert ema.average["0.weight"].abs().sum() > 0  # the average does not share the model's memory
