"""Tests of nbs/analysis/76_latency.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import time

import numpy as np
import pytest
import torch

from prism_repro.analysis.latency import act, clock, device_name, make_observation, measure, network_calls, summary, threads_set
from prism_repro.policies.policy import Policy, make_objective

CONFIG = dict(cameras=["agentview"], low_dim=dict(robot0_eef_pos=3), image_size=40, crop_size=36, To=2, Tp=8, Ta=4, action_dim=7,
              encoder=dict(name="AvgPool", width=16), objective=dict(name="FM", num_steps=10),
              unet=dict(down_dims=[32, 64], step_embed_dim=32, kernel_size=3, n_groups=8))


def test_a_measurement_ends_by_count_or_by_time_but_not_too_early():
    calls = []
    nap = lambda seconds: lambda: (calls.append(1), time.sleep(seconds))
    assert len(clock(nap(0), repeats=5, warmup=2)) == 5 and len(calls) == 7
    slow = clock(nap(0.03), repeats=50, at_least=2, budget=0.05)
    assert len(slow) == 2 and min(slow) >= 0.03
    assert len(clock(nap(0.03), repeats=50, at_least=3, budget=0.0)) == 3
    assert summary([1.0, 2.0]) == dict(n=2, p50=1.5, p95=1.95)


def test_the_encoder_runs_once_a_chunk_and_the_network_as_often_as_counted():
    policy = Policy.from_config(CONFIG, seed=0).eval()
    seen = dict(encoder=0, unet=0)
    policy.encoder.register_forward_hook(lambda *_: seen.update(encoder=seen["encoder"] + 1))
    policy.unet.register_forward_hook(lambda *_: seen.update(unet=seen["unet"] + 1))
    samplers = [(dict(name="FM", num_steps=7), 7), (dict(name="MF"), 1), (dict(name="DP", num_steps=100), 100), (dict(name="DP", sampler="DDIM", num_steps=10), 10)]
    for settings, calls in samplers:
        policy.objective = make_objective(settings)
        seen.update(encoder=0, unet=0)
        act(policy, make_observation(CONFIG), torch.zeros(1, 8, 7))
        assert seen == dict(encoder=1, unet=calls) and network_calls(policy.objective) == calls


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_measuring_leaves_the_policy_and_torch_as_they_were(precision):
    policy, before = Policy.from_config(CONFIG, seed=0), torch.get_num_threads()
    own = policy.objective
    found = measure(policy, dict(a=dict(name="FM", num_steps=2)), precision=precision, repeats=3)
    assert policy.objective is own and torch.get_num_threads() == before and not torch.is_inference_mode_enabled()
    assert [(m["sampler"], m["calls"]) for m in found] == [("a", 2)] and found[0]["n"] == len(found[0]["times"]) == 3 and found[0]["network"] > 0
    with pytest.raises(ValueError, match="no objective"):
        measure(policy, dict(a=dict(name="guess")), repeats=2)
    assert policy.objective is own
    with pytest.raises(ValueError, match="precision='float64'"):
        measure(policy, {}, precision="float64")


def test_observations_are_bytes_and_repeat():
    a, b = make_observation(CONFIG), make_observation(CONFIG)
    assert a["agentview"].dtype == np.uint8 and a["agentview"].shape == (2, 40, 40, 3) and a["robot0_eef_pos"].shape == (2, 3)
    assert all(np.array_equal(a[k], b[k]) for k in a) and not np.array_equal(a["agentview"], make_observation(CONFIG, seed=1)["agentview"])


def test_the_machine_has_a_name():
    assert device_name("cpu").strip()
    with threads_set(2):
        assert torch.get_num_threads() == 2
