"""Tests of nbs/policies/54_gaussian.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import math

import pytest
import torch

from prism_repro.policies.ddpm import DDPM
from prism_repro.policies.flow_matching import FlowMatching
from prism_repro.policies.gaussian import Gaussian
from prism_repro.policies.meanflow import MeanFlow


def plane() -> Gaussian:
    "One action in two dimensions, variances 0.25 and 1.2 along axes turned by 30 degrees, float64."
    c, s = math.cos(math.pi / 6), math.sin(math.pi / 6)
    turn = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    return Gaussian(torch.tensor([[0.5, -0.3]], dtype=torch.float64), turn @ torch.diag(torch.tensor([1.2, 0.25], dtype=torch.float64)) @ turn.T)


def chunks() -> Gaussian:
    "Chunks of three actions in two dimensions with a full covariance, float64."
    g = torch.Generator().manual_seed(5)
    half = torch.randn(6, 6, generator=g, dtype=torch.float64)
    return Gaussian(torch.randn(3, 2, generator=g, dtype=torch.float64), half @ half.T / 6 + 0.05 * torch.eye(6, dtype=torch.float64))


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_guesses_are_gaussian_conditioning():
    "Against the textbook formula with the full covariance matrix."
    truth, x, a, b = chunks(), normal(4, 3, 2), torch.tensor([0.1, 0.5, 0.9, 1.0]).double(), torch.tensor([0.9, 0.5, 0.3, 0.0]).double()
    cov = truth.axes @ torch.diag(truth.variances) @ truth.axes.T
    clean, noise = truth.guess(x, a, b)
    for i in range(4):
        weight = torch.linalg.inv(a[i] ** 2 * cov + b[i] ** 2 * torch.eye(6).double()) @ (x[i] - a[i] * truth.mean).flatten()
        torch.testing.assert_close(noise[i].flatten(), b[i] * weight)
        torch.testing.assert_close(clean[i].flatten(), truth.mean.flatten() + a[i] * cov @ weight)
    torch.testing.assert_close(a[:, None, None] * clean + b[:, None, None] * noise, x)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"has 4 numbers and needs a covariance of \[4, 4\], not \[2, 2\]"):
        Gaussian(torch.zeros(2, 2), torch.eye(2))
    with pytest.raises(ValueError, match="every direction needs some variance"):
        Gaussian(torch.zeros(1, 2), torch.diag(torch.tensor([1.0, 0.0])))


class Swapped(DDPM):
    "Noise where the data should be."

    def add_noise(self, actions, noise, t):
        return super().add_noise(noise, actions, t)


class NoRoot(DDPM):
    "alpha-bar where its root should be."

    def add_noise(self, actions, noise, t):
        kept = torch.tensor(self.alphas_cumprod, dtype=actions.dtype)[t][:, None, None]
        return kept * actions + (1 - kept) * noise


def check_ddpm_loss(objective, change=lambda eps: eps, B=100_000):
    "The best network's loss is the mean variance of the noise given the chunk, within 3 standard errors."
    truth = chunks()
    best = truth.noise_net(DDPM())
    k = objective.draw(B, torch.Generator().manual_seed(1))
    losses = objective.loss(lambda x, k, c: change(best(x, k)), truth.draw(B, torch.Generator().manual_seed(2)), None, normal(B, 3, 2, seed=3), k)
    kept = torch.tensor(DDPM().alphas_cumprod, dtype=torch.float64)[:, None]
    expected = (kept * truth.variances / (kept * truth.variances + 1 - kept)).mean()
    assert abs(losses.mean() - expected) < 3 * losses.std() / B**0.5
    return losses


def test_the_best_ddpm_loss_is_the_variance_of_the_noise_given_the_chunk():
    best = check_ddpm_loss(DDPM())
    wrong = {"swapped": Swapped(), "no root": NoRoot()}
    for objective in wrong.values():
        with pytest.raises(AssertionError):
            check_ddpm_loss(objective)
    for change in (lambda eps: 1.3 * eps, lambda eps: eps + 0.2, lambda eps: -eps):
        with pytest.raises(AssertionError):
            check_ddpm_loss(DDPM(), change)
    g, truth = torch.Generator().manual_seed(2), chunks()
    k, data, noise = DDPM().draw(100_000, torch.Generator().manual_seed(1)), truth.draw(100_000, g), normal(100_000, 3, 2, seed=3)
    for net in (lambda x, k, c: 1.05 * truth.noise_net(DDPM())(x, k), lambda x, k, c: truth.noise_net(DDPM())(x, (k + 3).clamp(max=99))):
        worse = DDPM().loss(net, data, None, noise, k) - best  # the same draws: paired
        assert worse.mean() > 4 * worse.std() / len(worse) ** 0.5


def moments_along_the_way(objective, truth):
    "The sampler's exact mean and variances along the axes: with the best network every step is affine, x -> f x + g noise + constant."
    net, along = truth.noise_net(objective), truth.axes.T[:, None]
    mean, variances, zero = torch.zeros(1, 1, 2).double(), torch.ones(2).double(), torch.zeros(2, 1, 2).double()
    for k in objective.steps:
        go = lambda x: objective.step(x, net(x, torch.full((len(x),), k)), k)
        f = ((go(along) - go(zero)) * along).sum((1, 2))
        g = ((objective.step(zero, zero, k, along) - objective.step(zero, zero, k)) * along).sum((1, 2))
        mean, variances = go(mean), f**2 * variances + g**2
    return mean[0, 0], variances


def check_ddpm_distribution(objective, reference, B=8000):
    "Samples have the mean and variances that the recursion predicts, within 4 standard errors, and those are the data's within 0.01 and 8 %."
    truth = plane()
    mean, variances = moments_along_the_way(reference, truth)
    assert (mean - truth.mean[0]).abs().max() < 0.01 and (variances / truth.variances - 1).abs().max() < 0.08
    out = objective.sample(truth.noise_net(objective), None, normal(B, 1, 2))[:, 0]
    assert (out.mean(0) - mean).norm() < 4 * (variances.sum() / B).sqrt()
    assert (((out @ truth.axes).var(0) / variances - 1).abs() < 4 * (2 / B) ** 0.5).all()


class TooMuchNoise(DDPM):
    def step(self, x, eps, k, noise=None):
        return super().step(x, eps, k, None if noise is None else 1.3 * noise)


def test_ddpm_and_ddim_sample_the_data():
    ddpm, ddim = DDPM(clip=None), DDPM(sampler="DDIM", clip=None)
    check_ddpm_distribution(ddpm, ddpm)
    check_ddpm_distribution(ddim, ddim)
    wrong = (DDPM(clip=0.5), ddpm), (TooMuchNoise(clip=None), ddpm), (DDPM(num_steps=5, sampler="DDIM", clip=None), ddim)
    for objective, reference in wrong:
        with pytest.raises(AssertionError):
            check_ddpm_distribution(objective, reference)


def test_ddim_converges_to_the_exact_path():
    "More steps of a finer schedule come closer to where the path ends."
    truth, noise, errors = plane(), normal(200, 1, 2), []
    for N in (10, 20, 40, 80):
        ddim = DDPM(train_steps=1600, num_steps=N, sampler="DDIM", clip=None)
        errors.append((ddim.sample(truth.noise_net(ddim), None, noise) - truth.end(noise)).square().mean().sqrt().item())
    assert all(1.6 < errors[i] / errors[i + 1] < 2.4 for i in range(3)) and errors[-1] < 0.03


def check_euler(objective, change=lambda v, x, t: v):
    "The exact field's error about halves when the steps double, and is small in the end."
    truth, noise, errors = chunks(), normal(500, 3, 2), []
    for N in (20, 40, 80):
        fm = objective(N)
        net = truth.velocity_net(fm)
        errors.append((fm.sample(lambda x, t, c: change(net(x, t), x, t), None, noise) - truth.end(noise)).square().mean().sqrt().item())
    assert all(1.7 < errors[i] / errors[i + 1] < 2.3 for i in range(2)) and errors[-1] < 0.05


class LateTimes(FlowMatching):
    "Times 1/N to 1 - still first order; its network sees the data's end first."

    def sample(self, net, cond, noise):
        return super().sample(lambda x, t, c: net(x, self.time_scale - t, c), cond, noise)


def test_eulers_error_halves_when_the_steps_double():
    check_euler(FlowMatching)
    with pytest.raises(AssertionError):
        check_euler(LateTimes)
    for change in (lambda v, x, t: -v, lambda v, x, t: 1.05 * v, lambda v, x, t: v + 0.05 * x):
        with pytest.raises(AssertionError):
            check_euler(FlowMatching, change)


def train(objective, truth, steps, B=256, lr=3e-3):
    "Fit a perceptron to an objective; return it as the objective calls it."
    times, scale = 2 if isinstance(objective, MeanFlow) else 1, objective.time_scale
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mlp = torch.nn.Sequential(torch.nn.Linear(2 + times, 64), torch.nn.SiLU(), torch.nn.Linear(64, 64), torch.nn.SiLU(), torch.nn.Linear(64, 2))
    net = lambda x, t, cond, r=None: mlp(torch.cat([x] + [(s / scale)[:, None, None] for s in ([t] if r is None else [t, t - r])], dim=2))
    optimizer, g = torch.optim.Adam(mlp.parameters(), lr), torch.Generator().manual_seed(1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = objective.loss(net, truth.draw(B, g).float(), None, torch.randn(B, 1, 2, generator=g), objective.draw(B, g)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net


def check_learnt_moments(objective, steps=2500, B=1500):
    "Mean and covariance eigenvalues of the samples: the exact field's, sampled by the same Euler steps, within 4 standard errors."
    truth, noise = plane(), normal(B, 1, 2, seed=4)
    net = train(objective, truth, steps)
    with torch.no_grad():
        out = FlowMatching().sample(net, None, noise.float()).double()[:, 0]
    basis = torch.cat([torch.zeros(1, 1, 2).double(), truth.axes.T[:, None]])  # the field is linear: so is Euler's end point
    ends = FlowMatching().sample(truth.velocity_net(FlowMatching()), None, basis)[:, 0]
    mean, linear = ends[0], ends[1:] - ends[0]
    variances = torch.linalg.eigvalsh(linear.T @ linear)
    assert ((out.mean(0) - mean).norm() < 4 * (variances.sum() / B).sqrt())
    assert ((torch.linalg.eigvalsh(out.T.cov()) / variances - 1).abs() < 4 * (2 / B) ** 0.5).all()


class EndsSwapped(FlowMatching):
    def loss(self, net, actions, cond, noise, t):
        return super().loss(net, noise, cond, actions, t)


class SignFlipped(FlowMatching):
    def loss(self, net, actions, cond, noise, t):
        return super().loss(lambda *a: -net(*a), actions, cond, noise, t)


def test_a_trained_flow_has_the_datas_mean_and_covariance():
    check_learnt_moments(FlowMatching())
    for wrong in (EndsSwapped(), SignFlipped()):
        with pytest.raises(AssertionError):
            check_learnt_moments(wrong, steps=500)


def check_identity(objective, change=lambda u, x, t, r: u, B=2000):
    "With the best guesses as chunk and noise, their velocity is the field's and the closed-form network's loss is zero: 1e-20, float64."
    truth, t = chunks(), objective.draw(B, torch.Generator().manual_seed(1)).double()
    best = truth.average_velocity_net(objective)
    chunk, eps = truth.guess(normal(B, 3, 2), 1 - t[:, 0], t[:, 0])
    assert objective.loss(lambda x, t, c, r: change(best(x, t, c, r), x, t, r), chunk, None, eps, t).max() < 1e-20


class CorrectionAdded(MeanFlow):
    def regression(self, net, actions, cond, noise, t):
        u, target = super().regression(net, actions, cond, noise, t)
        return u, 2 * (noise - actions) - target


class OtherEnds(MeanFlow):
    def regression(self, net, actions, cond, noise, t):
        return super().regression(net, noise, cond, actions, t)


def test_the_average_velocity_satisfies_the_meanflow_identity(monkeypatch):
    plain = dict(norm_p=0.0, ratio=1.0)
    check_identity(MeanFlow(**plain))
    for wrong in (CorrectionAdded(**plain), OtherEnds(**plain)):
        with pytest.raises(AssertionError):
            check_identity(wrong)
    for change in (lambda u, x, t, r: -u, lambda u, x, t, r: u + 1e-6 * x):
        with pytest.raises(AssertionError):
            check_identity(MeanFlow(**plain), change)
    jvp = torch.func.jvp
    for tangent in (lambda v, r, t: (v, r, 0 * t), lambda v, r, t: (-v, r, t)):  # a dropped and a flipped term
        monkeypatch.setattr(torch.func, "jvp", lambda f, primals, tangents: jvp(f, primals, tangent(*tangents)))
        with pytest.raises(AssertionError):
            check_identity(MeanFlow(**plain))


def test_the_average_velocity_is_the_paths_displacement():
    "Against the flow followed in small Euler steps, and two intervals joined."
    truth, noise, fm = chunks(), normal(50, 3, 2), FlowMatching(4000)
    torch.testing.assert_close(MeanFlow().sample(truth.average_velocity_net(MeanFlow()), None, noise), truth.end(noise))
    torch.testing.assert_close(MeanFlow(3).sample(truth.average_velocity_net(MeanFlow()), None, noise), truth.end(noise))
    torch.testing.assert_close(fm.sample(truth.velocity_net(fm), None, noise), truth.end(noise), rtol=0, atol=3e-3)


def check_one_step(objective, steps=1000):
    "One step lands where the exact path ends: root mean square distance below 0.25, where the data's own spread is 1.2."
    truth, noise = plane(), normal(2000, 1, 2, seed=4)
    net = train(objective, truth, steps)
    with torch.no_grad():
        out = objective.sample(net, None, noise.float())
    assert (out - truth.end(noise)).square().sum((1, 2)).mean().sqrt() < 0.25


def test_a_trained_meanflow_lands_in_one_step_where_the_path_ends():
    check_one_step(MeanFlow())
    with pytest.raises(AssertionError):
        check_one_step(MeanFlow(ratio=0.0), steps=400)  # r is never sampled: only the instant's velocity is learnt
