"""Tests of nbs/policies/50_unet.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
from pathlib import Path

import pytest
import torch

from prism_repro.policies.unet import ConditionalUnet1D, SinusoidalPosEmb


def small(**kwargs):
    torch.manual_seed(0)
    return ConditionalUnet1D(7, 20, down_dims=(16, 32, 64), step_embed_dim=32, **kwargs)


def test_names_and_shapes_are_diffusion_policys():
    "The list was written from the state_dict of its ConditionalUnet1D (commit 5ba07ac; global_cond_dim 146, step 128, kernel 5)."
    expected = json.loads((Path(__file__).parent / "golden/diffusion_policy_unet.json").read_text())
    assert len(expected) == 148
    assert {k: list(v.shape) for k, v in ConditionalUnet1D(7, 146, (64, 128, 256)).state_dict().items()} == expected


def test_outputs_are_diffusion_policys():
    "Its ConditionalUnet1D (same commit) gave these numbers in float64 for weights filled by `fill`."

    def fill(net):
        with torch.no_grad():
            for k, (_, p) in enumerate(sorted(net.named_parameters())):
                fan = p[0].numel() if p.ndim > 1 else 4
                p.copy_((torch.sin(torch.arange(p.numel(), dtype=p.dtype) * 0.7 + k) / fan**0.5).view(p.shape))

    unet = ConditionalUnet1D(3, 5, (16, 32, 64), step_embed_dim=16).double()
    fill(unet)
    x, cond = torch.sin(torch.arange(48.0).double()).view(2, 8, 3), torch.cos(torch.arange(10.0).double()).view(2, 5)
    expected = json.loads((Path(__file__).parent / "golden/diffusion_policy_unet_output.json").read_text())
    torch.testing.assert_close(unet(x, torch.tensor([7.0, 61.0]).double(), cond), torch.tensor(expected).double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cameras,dim,millions", [(1, 64, 65.08), (2, 64, 66.92), (2, 512, 92.61)])
def test_parameter_counts(cameras, dim, millions):
    with torch.device("meta"):
        unet = ConditionalUnet1D(7, 2 * (cameras * dim + 9))
    assert round(sum(p.numel() for p in unet.parameters()) / 1e6, 2) == millions


def test_step_embedding_is_the_formula():
    e = SinusoidalPosEmb(8)(torch.tensor([0.0, 5.0]))
    w = [1.0, 10000 ** (-1 / 3), 10000 ** (-2 / 3), 1e-4]
    expected = torch.cat([torch.sin(5 * torch.tensor(w)), torch.cos(5 * torch.tensor(w))])
    torch.testing.assert_close(e, torch.stack([torch.tensor([0.0] * 4 + [1.0] * 4), expected]))
    assert torch.equal(SinusoidalPosEmb(8)(torch.tensor([0, 5])), e)


def test_the_second_time_adds_no_parameters_and_none_changes_nothing():
    unet = small()
    x, t, cond = torch.randn(3, 8, 7), torch.rand(3) * 100, torch.randn(3, 20)
    assert torch.equal(unet(x, t, cond), unet(x, t, cond, r=None))
    both = unet(x, t, cond, r=t * 0.5)
    assert not torch.allclose(both, unet(x, t, cond)) and not torch.allclose(both, unet(x, t * 0.5, cond, r=t * 0))
    plain = unet(x, t, cond)
    unet.diffusion_step_encoder.register_forward_hook(lambda module, inputs, out: out / 2)
    torch.testing.assert_close(unet(x, t, cond, r=t * 0), plain)  # r = 0: two equal halves


def test_samples_do_not_mix():
    unet = small()
    x, t, cond = torch.randn(4, 16, 7), torch.rand(4) * 100, torch.randn(4, 20)
    torch.testing.assert_close(unet(x, t, cond)[1:2], unet(x[1:2], t[1:2], cond[1:2]), rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_parameter():
    unet = small()
    unet(torch.randn(2, 16, 7), torch.rand(2) * 100, torch.randn(2, 20)).square().sum().backward()
    assert all(p.grad is not None for p in unet.parameters())


def test_forward_derivatives_work():
    "MeanFlow needs the Jacobian-vector product along (velocity, dr, dt)."
    unet = small().double()
    x, v, cond = torch.randn(2, 8, 7).double(), torch.randn(2, 8, 7).double(), torch.randn(2, 20).double()
    t, r = torch.tensor([0.5, 0.9]).double(), torch.tensor([0.1, 0.2]).double()
    f = lambda x, r, t: unet(x, t, cond, r)
    _, exact = torch.func.jvp(f, (x, r, t), (v, torch.zeros_like(r), torch.ones_like(t)))
    h = 1e-5
    torch.testing.assert_close(exact, (f(x + h * v, r, t + h) - f(x - h * v, r, t - h)) / (2 * h), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("down_dims,Tp", [((16,), 3), ((16, 32), 6), ((16, 16, 16), 4), ((8, 16, 32, 64), 24)])
def test_every_number_of_levels(down_dims, Tp):
    unet = ConditionalUnet1D(3, 5, down_dims, step_embed_dim=16)
    assert unet(torch.randn(2, Tp, 3), torch.zeros(2), torch.randn(2, 5)).shape == (2, Tp, 3)


@pytest.mark.parametrize(
    "x,t,cond,match",
    [
        ((2, 10, 7), (2,), (2, 20), "use a multiple of 4, for instance 12"),
        ((2, 16, 6), (2,), (2, 20), r"takes \[B, Tp, 7\]"),
        ((2, 16, 7), (), (2, 20), r"t has shape \[\]"),
        ((2, 16, 7), (2,), (2, 21), r"cond \[2, 21\]"),
    ],
)
def test_what_does_not_fit_is_refused(x, t, cond, match):
    with pytest.raises(ValueError, match="kernel_size=4 would lengthen"):
        ConditionalUnet1D(7, 20, (16,), kernel_size=4)
    with pytest.raises(ValueError, match=match):
        small()(torch.zeros(x), torch.zeros(t), torch.zeros(cond))
