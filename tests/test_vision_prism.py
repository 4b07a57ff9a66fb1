"""Tests of nbs/vision/13_prism.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import math

import pytest
import torch

from prism_repro.vision.multiscale import MultiscaleResNet
from prism_repro.vision.pooling import SSPool, spatial_softmax
from prism_repro.vision.prism import PRISM, TDCA


def attend(query, earlier, fuse):
    "Eq. 3 for one sample in plain Python: tokens are rows; returns one row for each query."
    rows = lambda x, layer: [[sum(a * w for a, w in zip(row, weights)) for weights in layer.weight.tolist()] for row in x.tolist()]
    q, k, v = rows(query, fuse.q), rows(earlier, fuse.k), rows(earlier, fuse.v)
    answers = []
    for a in q:
        e = [math.exp(sum(x * y for x, y in zip(a, b)) / len(a) ** 0.5) for b in k]
        answers.append([sum(p / sum(e) * row[i] for p, row in zip(e, v)) for i in range(len(a))])
    return query + torch.tensor(rows(torch.tensor(answers, dtype=torch.float64), fuse.out), dtype=torch.float64)


def check_equations(prism, kind):
    "Eqs. 2 and 3 sample by sample against what the encoder says, in float64."
    torch.manual_seed(1)
    images = torch.rand(2, 3, 48, 48, dtype=torch.float64)
    with torch.no_grad():
        maps = prism.backbone(images)
        z = [spatial_softmax(pool.conv(refine(m)), pool.temperature) for m, refine, pool in zip(maps, prism.refine, prism.pool)]  # each [B K 2]
        for b, out in enumerate(prism(images)):
            if kind == "stage":
                expected = attend(z[-1][b].view(1, -1), torch.stack([t[b].flatten() for t in z[:-1]]), prism.fuse)
            else:
                expected = attend(z[-1][b], torch.cat([t[b] for t in z[:-1]]), prism.fuse)
            torch.testing.assert_close(out, expected.flatten(), rtol=0, atol=1e-10)


def build(tokens="stage", **kwargs):
    torch.manual_seed(0)
    prism = PRISM(width=8, num_kp=5, attn_dim=7, tokens=tokens, **kwargs).double()
    for p in prism.fuse.parameters():
        p.data *= 3  # so that attention is far from uniform and every mistake shows
    return prism


@pytest.mark.parametrize("tokens", ["stage", "keypoint"])
@pytest.mark.parametrize("kwargs", [{}, {"refine": False}, {"temperature": 0.4, "learn_temperature": True}, {"stages": 3}])
def test_equals_the_equations_written_out(tokens, kwargs):
    check_equations(build(tokens, **kwargs), tokens)


class Unscaled(TDCA):
    def weights(self, query, earlier):
        return torch.softmax(torch.einsum("b...d,bnd->b...n", self.q(query), self.k(earlier)), dim=-1)


class NoQueryAdded(TDCA):
    def forward(self, query, earlier):
        return super().forward(query, earlier) - query


class WrongAxis(TDCA):
    def weights(self, query, earlier):
        return torch.softmax(torch.einsum("bmd,bnd->bmn", self.q(query), self.k(earlier)) / 7**0.5, dim=1)


class Uniform(TDCA):
    def weights(self, query, earlier):
        return torch.full_like(super().weights(query, earlier), 1 / earlier.shape[1])


class BottomUp(PRISM):
    def tokens(self, images):
        return super().tokens(images).flip(1)  # the shallowest stage asks


@pytest.mark.parametrize("tokens,broken", [("stage", Unscaled), ("stage", NoQueryAdded), ("stage", Uniform), ("keypoint", Unscaled), ("keypoint", WrongAxis)])
def test_the_check_notices_wrong_attention(tokens, broken):
    prism = build(tokens)
    prism.fuse.__class__ = broken
    with pytest.raises(AssertionError):
        check_equations(prism, tokens)


def test_the_check_notices_the_wrong_direction_and_the_other_tokens():
    prism = build()
    prism.__class__ = BottomUp
    with pytest.raises(AssertionError):
        check_equations(prism, "stage")
    for tokens, other in (("stage", "keypoint"), ("keypoint", "stage")):
        with pytest.raises((AssertionError, RuntimeError)):
            check_equations(build(tokens), other)


def test_gradients_are_those_of_the_function():
    torch.manual_seed(0)
    for fuse, query in ((TDCA(6, 4).double(), torch.randn(2, 6)), (TDCA(2, 4).double(), torch.randn(2, 3, 2))):
        query, earlier = query.double().requires_grad_(), torch.randn(2, 5, query.shape[-1], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(fuse, (query, earlier))


EXPECTED = """backbone.conv1.weight backbone.bn1.weight backbone.bn1.bias backbone.layer1.0.conv1.weight backbone.layer4.1.bn2.bias
refine.0.conv1.weight refine.3.bn2.bias pool.0.conv.weight pool.3.conv.bias fuse.q.weight fuse.k.weight fuse.v.weight fuse.out.weight""".split()


def test_saved_policies_stay_valid():
    "Names, counts and seeded outputs of the default PRISM, as they were when policies were first saved."
    torch.manual_seed(0)
    prism = PRISM(width=8)
    state = prism.state_dict()
    assert set(EXPECTED) <= set(state) and len(state) == 96 and not any("temperature" in k for k in state)
    out = prism(torch.rand(2, 3, 76, 76, generator=torch.Generator().manual_seed(1)))
    expected = [-0.10284683853387833, -0.31301236152648926, -0.3377242386341095, -0.06718073785305023, 0.2026677131652832, 0.23725514113903046]
    torch.testing.assert_close(out[0, :6], torch.tensor(expected), rtol=0, atol=1e-4)


def test_shape_and_parameter_count():
    prism = PRISM(width=64)
    assert prism(torch.zeros(2, 3, 76, 76)).shape == (2, 64) and prism.out_dim == 64
    assert sum(p.numel() for p in prism.parameters()) == 17_494_464


@pytest.mark.parametrize("tokens", ["stage", "keypoint"])
@pytest.mark.parametrize("width,size,stages,num_kp", [(4, 33, 4, 1), (16, 76, 3, 32), (24, 100, 4, 16), (8, 64, 4, 40)])
def test_every_width_and_image_size(width, size, stages, num_kp, tokens):
    prism = PRISM(width, stages, num_kp, tokens=tokens, image_size=(size, size + 7))
    out = prism(torch.randn(2, 3, size, size + 7))
    assert out.shape == (2, prism.out_dim) == (2, 2 * num_kp) and out.isfinite().all() and prism.keypoints


def test_attention_depends_on_the_query():
    "It would not, were the earlier stages one concatenated key."
    torch.manual_seed(0)
    fuse, earlier = TDCA(), torch.rand(8, 3, 64) * 2 - 1
    a, b = fuse.weights(torch.randn(8, 64) * 5, earlier), fuse.weights(torch.randn(8, 64) * 5, earlier)
    assert a.shape == (8, 3) and (a - b).abs().mean() > 0.05


@pytest.mark.parametrize("kwargs", [{}, {"tokens": "keypoint"}, {"refine": False, "learn_temperature": True}])
def test_gradients_reach_every_parameter(kwargs):
    torch.manual_seed(0)
    prism = PRISM(width=8, **kwargs)
    prism(torch.randn(4, 3, 44, 44)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in prism.parameters())


def test_multiscale_pooling_is_prism_without_attention():
    torch.manual_seed(0)
    for refine in (True, False):
        prism, images = PRISM(width=8, num_kp=6, refine=refine), torch.rand(2, 3, 44, 44)
        joined = MultiscaleResNet({f"layer{s + 1}": SSPool(8 * 2**s, 6) for s in range(4)}, width=8, refine=refine)
        prism.load_state_dict(joined.state_dict(), strict=False)
        torch.nn.init.zeros_(prism.fuse.out.weight)
        assert torch.equal(prism(images), joined.parts(images)[-1])


@pytest.mark.parametrize("shape", [(4, 64), (4, 32, 2)])
def test_coordinates_stay_precise_under_autocast(shape):
    torch.manual_seed(0)
    fuse, query, earlier = TDCA(shape[-1]), torch.rand(shape), torch.rand(4, 3, shape[-1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = fuse(query, earlier)
    logits = torch.einsum("b...d,bnd->b...n", query @ fuse.q.weight.T, earlier @ fuse.k.weight.T) / 8
    answer = torch.einsum("b...n,bnd->b...d", torch.softmax(logits, -1), earlier @ fuse.v.weight.T) @ fuse.out.weight.T
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, query + answer, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kwargs", [{"stages": 1}, {"stages": 2}, {"stages": 2, "num_kp": 1, "tokens": "keypoint"}, {"stages": 1, "tokens": "keypoint"}])
def test_one_key_is_refused(kwargs):
    with pytest.raises(ValueError, match="a softmax over one key is always 1"):
        PRISM(**kwargs)


def test_two_stages_are_many_keypoint_tokens():
    assert PRISM(8, stages=2, tokens="keypoint")(torch.rand(1, 3, 40, 40)).shape == (1, 64)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="use larger images or fewer stages"):
        PRISM(width=8)(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="use larger images or fewer stages"):
        PRISM(width=8, image_size=32)
    with pytest.raises(ValueError, match="choose 'stage' or 'keypoint'"):
        PRISM(tokens="stages")
    with pytest.raises(ValueError, match="same number of keypoints"):
        PRISM(num_kp=None)
    with pytest.raises(ValueError, match=r"takes \[B, 3, H, W\]"):
        PRISM(width=8)(torch.zeros(1, 1, 76, 76))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_networks_work(dtype):
    encoder = PRISM(width=8, num_kp=4).eval()
    images = torch.rand(2, 3, 76, 76, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = encoder(images)
        found = encoder.to(dtype)(images.to(dtype))
    assert found.dtype == dtype and torch.allclose(found.float(), expected, atol=0.1)
