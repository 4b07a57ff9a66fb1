"""Tests of nbs/policies/53_meanflow.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch

from prism_repro.policies.flow_matching import TIME_SCALE, FlowMatching
from prism_repro.policies.meanflow import MeanFlow
from prism_repro.policies.unet import ConditionalUnet1D


def problem(dtype=torch.float64, B=6, Tp=8, Da=3, G=5):
    "A small UNet and random chunks, conditions, noise and times."
    torch.manual_seed(0)
    unet = ConditionalUnet1D(Da, G, down_dims=(16, 32), step_embed_dim=16, n_groups=4).to(dtype)
    g = torch.Generator().manual_seed(1)
    actions, noise, cond = (torch.randn(*shape, generator=g).to(dtype) for shape in ((B, Tp, Da), (B, Tp, Da), (B, G)))
    return unet, actions, cond, noise, MeanFlow(ratio=1.0).draw(B, g).to(dtype)


def gradient(unet, loss):
    return torch.cat([x.flatten() for x in torch.autograd.grad(loss, list(unet.parameters()))])


class EndsSwapped(MeanFlow):
    def regression(self, net, actions, cond, noise, t):
        return super().regression(net, noise, cond, actions, t)


class CorrectionAdded(MeanFlow):
    "+ (t - r) du/dt where the identity has a minus."

    def regression(self, net, actions, cond, noise, t):
        u, target = super().regression(net, actions, cond, noise, t)
        return u, 2 * (noise - actions) - target


def check_instant(objective):
    unet, actions, cond, noise, t = problem()
    instant = t[:, :1].expand(-1, 2)
    assert torch.equal(objective.regression(unet, actions, cond, noise, instant)[1], noise - actions)
    assert (objective.regression(unet, actions, cond, noise, t)[1] - (noise - actions)).abs().max() > 1e-3  # and not so otherwise


class NoCorrection(MeanFlow):
    def regression(self, net, actions, cond, noise, t):
        return super().regression(net, actions, cond, noise, t)[0], noise - actions


def test_at_an_instant_the_target_is_noise_minus_data():
    check_instant(MeanFlow())
    for wrong in (EndsSwapped(), NoCorrection()):
        with pytest.raises(AssertionError):
            check_instant(wrong)


def check_gradient(objective, translate):
    "MeanFlow at r = t, summed over the chunk, against flow matching's mean times the chunk's size; relative 1e-9 in float64."
    unet, actions, cond, noise, t = problem()
    instant = t[:, :1].expand(-1, 2)
    ours = gradient(unet, objective.loss(unet, actions, cond, noise, instant).sum())
    theirs = gradient(unet, FlowMatching().loss(translate(unet), actions, cond, noise, 1 - instant[:, 0]).sum() * actions[0].numel())
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9 * theirs.abs().max().item())


def other_way(unet):
    "Flow matching's velocity from MeanFlow's: time and sign turn round."
    return lambda x, t, cond: -unet(x, TIME_SCALE - t, cond, TIME_SCALE - t)


def test_without_weight_and_interval_the_gradient_is_flow_matchings():
    check_gradient(MeanFlow(norm_p=0.0), other_way)
    time_not_turned = lambda unet: lambda x, t, cond: -unet(x, t, cond, t)
    sign_not_turned = lambda unet: lambda x, t, cond: unet(x, TIME_SCALE - t, cond, TIME_SCALE - t)
    wrong = [(MeanFlow(), other_way), (EndsSwapped(norm_p=0.0), other_way), (MeanFlow(norm_p=0.0), time_not_turned), (MeanFlow(norm_p=0.0), sign_not_turned)]
    for objective, translate in wrong:
        with pytest.raises(AssertionError):
            check_gradient(objective, translate)


def check_derivative():
    "Eq. 11 against a central difference along the path, both seen through the target; 1e-5 relative."
    unet, actions, cond, noise, t = problem()
    u, target = MeanFlow().regression(unet, actions, cond, noise, t)
    t, r = t.unbind(1)
    v, h = noise - actions, 1e-6

    def average(t):
        x = (1 - t)[:, None, None] * actions + t[:, None, None] * noise
        return unet(x, t * TIME_SCALE, cond, r * TIME_SCALE)

    expected = (average(t + h) - average(t - h)) / (2 * h)
    torch.testing.assert_close((v - target) / (t - r)[:, None, None], expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())
    torch.testing.assert_close(u, average(t))


def test_the_derivative_equals_a_central_difference(monkeypatch):
    check_derivative()
    jvp = torch.func.jvp
    wrong = {"backwards": lambda v, r, t: (-v, r, t), "time stands still": lambda v, r, t: (v, r, 0 * t), "r moves too": lambda v, r, t: (v, t, t)}
    for tangent in wrong.values():
        monkeypatch.setattr(torch.func, "jvp", lambda f, primals, tangents: jvp(f, primals, tangent(*tangents)))
        with pytest.raises(AssertionError):
            check_derivative()


def test_the_weight_is_a_power_of_the_summed_error():
    unet, actions, cond, noise, t = problem()
    plain = MeanFlow(norm_p=0.0).loss(unet, actions, cond, noise, t)
    u, target = MeanFlow().regression(unet, actions, cond, noise, t)
    torch.testing.assert_close(plain, (u - target).square().sum((1, 2)))
    torch.testing.assert_close(MeanFlow().loss(unet, actions, cond, noise, t), plain / (plain + 1e-3) ** 0.75)
    weighted, first = (gradient(unet, MeanFlow(norm_p=p).loss(unet, actions, cond, noise, t)[0]) for p in (0.75, 0.0))
    torch.testing.assert_close(weighted, first / (plain[0].detach() + 1e-3) ** 0.75)  # the weight has no gradient of its own


def test_gradients_flow_through_u_alone_and_reach_the_condition():
    unet, actions, cond, noise, t = problem()
    cond.requires_grad_()
    u, target = MeanFlow().regression(unet, actions, cond, noise, t)
    assert u.requires_grad and not target.requires_grad
    (ours,) = torch.autograd.grad(MeanFlow(norm_p=0.0).loss(unet, actions, cond, noise, t).sum(), cond)
    x = (1 - t[:, 0])[:, None, None] * actions + t[:, 0][:, None, None] * noise
    by_hand = (unet(x, t[:, 0] * TIME_SCALE, cond, t[:, 1] * TIME_SCALE) - target).square().sum()
    torch.testing.assert_close(ours, torch.autograd.grad(by_hand, cond)[0])
    assert ours.abs().min() > 0


def test_a_loss_without_gradients_is_the_same():
    unet, actions, cond, noise, t = problem()
    expected = MeanFlow().loss(unet, actions, cond, noise, t).detach()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(MeanFlow().loss(unet, actions, cond, noise, t), expected)


def test_autocast_keeps_the_derivative_exact():
    "Under bfloat16 the condition arrives in bfloat16; the loss stays within its rounding and the gradients are finite."
    unet, actions, cond, noise, t = problem(torch.float32)
    encoder = torch.nn.Linear(5, 5)
    exact = MeanFlow().loss(unet, actions, encoder(cond), noise, t)
    with torch.autocast("cpu", torch.bfloat16):
        seen = encoder(cond)
        loss = MeanFlow().loss(unet, actions, seen, noise, t)
    assert seen.dtype == torch.bfloat16 and loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0.02, atol=0.0)
    loss.mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in [*unet.parameters(), *encoder.parameters()])
    with torch.autocast("cpu", torch.bfloat16):
        same = MeanFlow().loss(unet, actions, encoder(cond).float().to(torch.bfloat16), noise, t)
    torch.testing.assert_close(same, loss)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_autocast_on_cuda():
    unet, actions, cond, noise, t = problem(torch.float32)
    expected = MeanFlow().loss(unet, actions, cond, noise, t)
    unet.cuda()
    with torch.autocast("cuda", torch.bfloat16):
        loss = MeanFlow().loss(unet, *(x.cuda() for x in (actions, cond, noise, t)))
    loss.mean().backward()
    torch.testing.assert_close(loss.cpu(), expected, rtol=1e-2, atol=0.0)


def test_times_are_a_function_of_the_generator():
    draw = lambda seed, **settings: MeanFlow(**settings).draw(10_000, torch.Generator().manual_seed(seed))
    t, r = draw(3).T
    assert torch.equal(draw(3), draw(3)) and not torch.equal(draw(3), draw(4))
    assert (0 < t).all() and (t < 1).all() and (r <= t).all() and 0.68 < (r < t).float().mean() < 0.72
    assert torch.equal(*draw(3, ratio=0.0).T) and (draw(3, ratio=1.0)[:, 1] < draw(3, ratio=1.0)[:, 0]).float().mean() > 0.92
    assert abs(torch.logit(t).mean() + 0.6) < 0.06 and abs(torch.logit(t).std() - 1.6) < 0.05
    assert abs(torch.logit(draw(3, ratio=1.0)[:, 1]).median() + 4) < 0.15


@pytest.mark.parametrize("N", [1, 4])
def test_sampling_goes_from_noise_to_data_in_equal_intervals(N):
    seen = []

    def constant(x, t, cond, r):
        seen.append((t[0].item() / TIME_SCALE, r[0].item() / TIME_SCALE))
        assert t.shape == r.shape == (2,) and cond == "seen"
        return torch.full_like(x, 3.0)

    torch.testing.assert_close(MeanFlow(N).sample(constant, "seen", torch.zeros(2, 4, 1)), torch.full((2, 4, 1), -3.0))
    torch.testing.assert_close(torch.tensor(seen), torch.tensor([((n + 1) / N, n / N) for n in reversed(range(N))]))


@pytest.mark.parametrize(
    "settings,match",
    [
        (dict(num_steps=0), "num_steps=0 is not a number of steps"),
        (dict(num_steps=2.5), "num_steps=2.5 is not a number of steps"),
        (dict(num_steps=True), "num_steps=True is not a number of steps"),
        (dict(ratio=75), "ratio=75 is no probability"),
    ],
)
def test_what_does_not_fit_is_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        MeanFlow(**settings)
