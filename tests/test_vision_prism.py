"""Tests of nbs/vision/13_prism.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch

from prism_repro.vision.prism import PRISM, TDCA
from prism_repro.vision.pooling import spatial_softmax


def test_shape_and_parameter_count():
    prism = PRISM(width=64)
    assert prism(torch.zeros(2, 3, 76, 76)).shape == (2, 64) and prism.out_dim == 64
    assert sum(p.numel() for p in prism.parameters()) == 17_494_464


@pytest.mark.parametrize("width,size,stages,num_kp", [(4, 33, 4, 1), (16, 76, 3, 32), (24, 100, 4, 16), (8, 64, 4, 40)])
def test_every_width_and_image_size(width, size, stages, num_kp):
    prism = PRISM(width, stages, num_kp)
    out = prism(torch.randn(2, 3, size, size + 7))
    assert out.shape == (2, prism.out_dim) == (2, 2 * num_kp) and out.isfinite().all()


def test_equals_the_equations_written_out():
    "Eqs. 2 and 3, sample by sample, with matrices as the paper writes them (tokens are rows)."
    torch.manual_seed(0)
    prism = PRISM(width=16, num_kp=5, attn_dim=7).double()
    images = torch.rand(3, 3, 48, 48, dtype=torch.float64)
    maps = prism.backbone(images)
    z = [spatial_softmax(pool.conv(refine(m))).flatten(1) for m, refine, pool in zip(maps, prism.refine, prism.pool)]
    for b in range(3):
        query, earlier = z[-1][b : b + 1], torch.stack([t[b] for t in z[:-1]])
        q, k, v = query @ prism.fuse.q.weight.T, earlier @ prism.fuse.k.weight.T, earlier @ prism.fuse.v.weight.T
        o = torch.softmax(q @ k.T / 7**0.5, dim=-1) @ v
        torch.testing.assert_close(prism(images)[b], (query + o @ prism.fuse.out.weight.T)[0])


def test_attention_depends_on_the_query():
    "It would not, were the earlier stages one concatenated key."
    torch.manual_seed(0)
    fuse, earlier = TDCA(), torch.rand(8, 3, 64) * 2 - 1
    a, b = fuse.weights(torch.randn(8, 64) * 5, earlier), fuse.weights(torch.randn(8, 64) * 5, earlier)
    assert a.shape == (8, 3) and (a - b).abs().mean() > 0.05


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    prism = PRISM(width=16)
    prism(torch.randn(4, 3, 76, 76)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in prism.parameters())


def test_coordinates_stay_precise_under_autocast():
    torch.manual_seed(0)
    fuse, query, earlier = TDCA(), torch.rand(4, 64), torch.rand(4, 3, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = fuse(query, earlier)
    logits = torch.einsum("bd,bnd->bn", query @ fuse.q.weight.T, earlier @ fuse.k.weight.T) / 8
    answer = torch.einsum("bn,bnd->bd", torch.softmax(logits, 1), earlier @ fuse.v.weight.T) @ fuse.out.weight.T
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, query + answer, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stages", [1, 2])
def test_one_key_is_refused(stages):
    with pytest.raises(ValueError, match="a softmax over one key is always 1"):
        PRISM(stages=stages)


def test_an_image_that_leaves_one_cell_is_refused():
    with pytest.raises(ValueError, match="use larger images or fewer stages"):
        PRISM(width=16)(torch.zeros(1, 3, 32, 32))
