"""Tests of nbs/policies/52_flow_matching.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch

from prism_repro.policies.flow_matching import TIME_SCALE, FlowMatching


def test_the_target_is_data_minus_noise():
    "With one chunk as all the data, the field is (A0 - x) / (1 - t) and the loss zero; with swapped endpoints it is not."
    torch.manual_seed(0)
    actions, noise, t = torch.randn(1, 16, 7).expand(5, -1, -1), torch.randn(5, 16, 7), torch.rand(5) * 0.9
    field = lambda x, t, c: (actions - x) / (1 - t / TIME_SCALE)[:, None, None]
    fm = FlowMatching()
    assert fm.loss(field, actions, None, noise, t).max() < 1e-8
    assert fm.loss(field, noise, None, actions, t).min() > 0.1
    assert fm.loss(lambda *a: -field(*a), actions, None, noise, t).min() > 0.1


def test_loss_is_per_sample_and_averaged_over_the_chunk():
    actions, noise = torch.zeros(3, 4, 2), torch.tensor([0.0, 1.0, 2.0]).view(3, 1, 1).expand(3, 4, 2)
    loss = FlowMatching().loss(lambda x, t, c: torch.zeros_like(x), actions, None, noise, torch.zeros(3))
    assert loss.tolist() == [0.0, 1.0, 4.0]


def test_the_path_runs_from_noise_to_data():
    seen = {}
    actions, noise = torch.ones(2, 4, 1), -torch.ones(2, 4, 1)
    FlowMatching().loss(lambda x, t, c: seen.update(x=x, t=t) or x, actions, None, noise, torch.tensor([0.0, 1.0]))
    assert torch.equal(seen["x"][0], noise[0]) and torch.equal(seen["x"][1], actions[1])
    assert seen["t"].tolist() == [0.0, TIME_SCALE]


@pytest.mark.parametrize("N", [1, 3, 10])
def test_euler_visits_uniform_times_and_is_exact_for_straight_fields(N):
    times = []

    def constant(x, t, cond):
        times.append(t[0].item() / TIME_SCALE)
        assert t.shape == (2,) and cond == "seen"
        return torch.full_like(x, 3.0)

    out = FlowMatching(N).sample(constant, "seen", torch.zeros(2, 4, 1))
    torch.testing.assert_close(out, torch.full((2, 4, 1), 3.0))
    assert times == pytest.approx([n / N for n in range(N)])


def test_times_are_a_function_of_the_generator():
    fm = FlowMatching()
    a, b = (fm.draw(10_000, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a, b) and not torch.equal(a, fm.draw(10_000, torch.Generator().manual_seed(4)))
    assert 0 <= a.min() < 0.01 and 0.99 < a.max() < 1 and abs(a.mean() - 0.5) < 0.02


@pytest.mark.parametrize("num_steps", [0, -1, 2.5, True, "3"])
def test_what_is_no_number_of_steps_is_refused(num_steps):
    with pytest.raises(ValueError, match=f"num_steps={num_steps!r} is not a number of steps.*choose a whole number"):
        FlowMatching(num_steps=num_steps)
