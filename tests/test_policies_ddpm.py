"""Tests of nbs/policies/51_ddpm.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch

from prism_repro.policies.ddpm import DDPM, ancestral_noise, noise_generator_of, squared_cosine


def chunks(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def diffusers():
    "The reference, where it is installed."
    return pytest.importorskip("diffusers")


def scheduler(diffusers, objective):
    settings = dict(num_train_timesteps=objective.train_steps, beta_schedule="squaredcos_cap_v2", clip_sample=True, prediction_type="epsilon")
    if objective.sampler == "DDIM":
        made = diffusers.DDIMScheduler(**settings, set_alpha_to_one=True, steps_offset=0)
    else:
        made = diffusers.DDPMScheduler(**settings, variance_type="fixed_small")
    made.set_timesteps(objective.num_steps)
    return made


def check_steps(diffusers, objective):
    "Every step of the sampler, on random tensors: x and eps standard normal, so that the clip is at work."
    theirs = scheduler(diffusers, objective)
    assert objective.steps == theirs.timesteps.tolist()
    for k in objective.steps:
        x, eps = chunks(2, 4, 16, 7, seed=k)
        step = theirs.step(eps, k, x, generator=torch.Generator().manual_seed(k))
        fresh = torch.randn(x.shape, generator=torch.Generator().manual_seed(k))  # what DDPMScheduler draws
        torch.testing.assert_close(objective.step(x, eps, k, fresh), step.prev_sample, rtol=0, atol=1e-5)


class LargeVariance(DDPM):
    def step(self, x, eps, k, noise=None):
        kept = self.alphas_cumprod[k] / (self.alphas_cumprod[k - 1] if k else 1.0)
        return super().step(x, eps, k) + (1 - kept) ** 0.5 * (noise if k else 0)


class SignFlipped(DDPM):
    def step(self, x, eps, k, noise=None):
        return super().step(x, -eps, k, noise)


class NeighbouringStep(DDPM):
    def step(self, x, eps, k, noise=None):
        return super().step(x, eps, max(k - 1, 0), noise)


STEPS = {"DDPM": (100, 50, 10), "DDIM": (100, 16, 10, 1)}


@pytest.mark.parametrize("sampler,num_steps", [(sampler, n) for sampler, ns in STEPS.items() for n in ns])
def test_every_step_is_diffusers(diffusers, sampler, num_steps):
    check_steps(diffusers, DDPM(num_steps=num_steps, sampler=sampler))


@pytest.mark.parametrize("sampler", STEPS)
@pytest.mark.parametrize("wrong", [LargeVariance, SignFlipped, NeighbouringStep, lambda **settings: DDPM(clip=None, **settings)])
def test_wrong_steps_are_noticed(diffusers, sampler, wrong):
    with pytest.raises(AssertionError):
        check_steps(diffusers, wrong(sampler=sampler))


def test_unclipped_steps_are_diffusers(diffusers):
    "Without the clip the last step divides by sqrt(2.4e-7): relative tolerance."
    for sampler in STEPS:
        ours, theirs = DDPM(sampler=sampler, clip=None), scheduler(diffusers, DDPM(sampler=sampler))
        theirs.register_to_config(clip_sample=False)
        for k in ours.steps:
            x, eps = chunks(2, 4, 16, 7, seed=k)
            expected = theirs.step(eps, k, x, generator=torch.Generator().manual_seed(k)).prev_sample
            fresh = torch.randn(x.shape, generator=torch.Generator().manual_seed(k))
            torch.testing.assert_close(ours.step(x, eps, k, fresh), expected, rtol=1e-5, atol=1e-5)


def check_noising(diffusers, objective):
    theirs = scheduler(diffusers, objective)
    assert torch.equal(squared_cosine(100), theirs.alphas_cumprod)
    actions, noise = chunks(2, 100, 16, 7)
    t = torch.arange(100)
    torch.testing.assert_close(objective.add_noise(actions, noise, t), theirs.add_noise(actions, noise, t), rtol=0, atol=1e-6)


class Swapped(DDPM):
    def add_noise(self, actions, noise, t):
        return super().add_noise(noise, actions, t)


class NoRoot(DDPM):
    def add_noise(self, actions, noise, t):
        kept = squared_cosine(100)[t][:, None, None]
        return kept * actions + (1 - kept) * noise


def test_schedule_and_noising_are_diffusers(diffusers):
    check_noising(diffusers, DDPM())
    for wrong in (Swapped(), NoRoot()):
        with pytest.raises(AssertionError):
            check_noising(diffusers, wrong)


def check_whole_sampling(diffusers, objective):
    "Many steps with one network: the order of the steps, the step that the network is told, and the fresh noise."
    theirs, net = scheduler(diffusers, objective), lambda x, k, c: torch.sin(3 * x + k[:, None, None] / 20)
    noise = chunks(3, 16, 7)
    fresh, x = ancestral_noise(noise, objective.num_steps), noise
    for i, k in enumerate(theirs.timesteps):
        eps = net(x, k.expand(3), None)
        if objective.sampler == "DDIM":
            x = theirs.step(eps, k, x).prev_sample
        else:  # DDPMScheduler takes no noise, so its mean (with its own draw removed) plus ours
            own = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
            deviation = theirs._get_variance(k) ** 0.5 if k > 0 else 0.0
            x = theirs.step(eps, k, x, generator=torch.Generator().manual_seed(0)).prev_sample + deviation * (fresh[i] - own)
    torch.testing.assert_close(objective.sample(net, None, noise), x, rtol=0, atol=2e-4)  # the net's slope of 3 magnifies rounding


@pytest.mark.parametrize("sampler,num_steps", [("DDPM", 100), ("DDIM", 10)])
def test_whole_sampling_is_diffusers(diffusers, sampler, num_steps):
    check_whole_sampling(diffusers, DDPM(num_steps=num_steps, sampler=sampler))
    with pytest.raises(AssertionError):
        check_whole_sampling(diffusers, SignFlipped(num_steps=num_steps, sampler=sampler))


def test_loss_is_per_sample_and_averaged_over_the_chunk():
    noise = torch.tensor([0.0, 1.0, 2.0]).view(3, 1, 1).expand(3, 4, 2)
    seen = {}
    loss = DDPM().loss(lambda x, k, c: seen.update(k=k, c=c) or torch.zeros_like(x), torch.zeros(3, 4, 2), "seen", noise, torch.tensor([0, 50, 99]))
    assert loss.tolist() == [0.0, 1.0, 4.0]
    assert seen["k"].tolist() == [0.0, 50.0, 99.0] and seen["k"].is_floating_point() and seen["c"] == "seen"


def test_steps_are_drawn_from_all_of_them():
    k = DDPM().draw(20_000, torch.Generator().manual_seed(3))
    assert torch.equal(k, DDPM().draw(20_000, torch.Generator().manual_seed(3))) and not torch.equal(k, DDPM().draw(20_000, torch.Generator().manual_seed(4)))
    assert k.unique().tolist() == list(range(100)) and k.bincount().min() > 130


def test_half_precision_actions_keep_the_schedule():
    "1 - alpha-bar at step 0 is 6e-4, which bfloat16 would round away."
    actions, noise = torch.zeros(1, 4, 2, dtype=torch.bfloat16), torch.ones(1, 4, 2, dtype=torch.bfloat16)
    torch.testing.assert_close(DDPM().add_noise(actions, noise, torch.tensor([0]))[0, 0, 0], (1 - squared_cosine(100)[0]).sqrt(), rtol=1e-4, atol=0)


def test_the_same_noise_gives_the_same_actions_whoever_shares_the_batch():
    net = lambda x, k, c: torch.tanh(x + k[:, None, None] / 50)
    noise = chunks(4, 16, 7)
    together = DDPM().sample(net, None, noise)
    assert torch.equal(together, DDPM().sample(net, None, noise.clone()))
    torch.testing.assert_close(DDPM().sample(net, None, noise[2:3]), together[2:3])
    nudged = noise.clone()
    nudged[2, 0, 0] += 1e-6  # other bits: other fresh noise
    changed = (DDPM().sample(net, None, nudged) - together).abs().amax((1, 2))
    assert changed[2] > 0.01 and changed[[0, 1, 3]].max() < 1e-5


def test_ddim_needs_no_fresh_noise():
    net = lambda x, k, c: torch.tanh(x)
    noise, ddim = chunks(2, 16, 7), DDPM(num_steps=10, sampler="DDIM")
    assert (ddim.sample(net, None, noise + 1e-6) - ddim.sample(net, None, noise)).abs().max() < 1e-3


def test_noise_generators_depend_on_bits_shape_and_purpose():
    noise = chunks(4, 6)
    draw = lambda *a: torch.randn(8, generator=noise_generator_of(*a))
    assert torch.equal(draw(noise), draw(noise.clone())) and torch.equal(draw(noise.T), draw(noise.T.contiguous()))
    others = [draw(-noise), draw(noise.reshape(6, 4)), draw(noise.double()), draw(noise, "shuffle"), draw(noise.requires_grad_().detach() + 1e-7)]
    assert not any(torch.equal(draw(noise), other) for other in others)
    state = torch.get_rng_state()
    draw(noise)
    assert torch.equal(state, torch.get_rng_state())  # torch's global generator is left alone


@pytest.mark.parametrize(
    "settings,match",
    [
        (dict(sampler="ddim"), "no sampler 'ddim': choose one of DDPM, DDIM"),
        (dict(num_steps=0), "num_steps=0 does not fit: the sampler visits between 1 and train_steps=100"),
        (dict(num_steps=101), "num_steps=101 does not fit"),
        (dict(num_steps=2.5), "num_steps=2.5 does not fit.*a whole number"),
        (dict(num_steps=True), "num_steps=True does not fit"),
        (dict(train_steps=100.0), "train_steps=100.0 is not a number of steps"),
        (dict(train_steps=0), "train_steps=0 is not a number of steps"),
        (dict(clip=0.0), "clip=0.0 would leave no actions"),
    ],
)
def test_what_does_not_fit_is_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        DDPM(**settings)
