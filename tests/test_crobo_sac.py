"""Tests of nbs/crobo/79_sac.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import dataclasses
import json

import numpy as np
import pytest
import torch

pytest.importorskip("dm_control")

from prism_repro.crobo import sac
from prism_repro.crobo.sac import Agent, Critics, SACConfig, export_actor, train
from prism_repro.demos.control import expert_score, read_expert
from prism_repro.envs.control import ControlEnv

TINY = SACConfig("reacher_easy", steps=200, action_repeat=20, hidden=16, batch_size=16, random_steps=60, save_every=2, evaluations=1)


def weights(folder):
    with sac.safetensors.safe_open(folder / sac.CHECKPOINT, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}


def test_a_training_that_is_killed_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    train(TINY, tmp_path / "whole", progress=False)
    whole = weights(tmp_path / "whole")

    class Killed(Exception):
        pass

    episodes = sac.run_episode

    def fails(env, agent, experience, seed, steps):
        if seed == sac.TRAINING_SEEDS + 3:
            raise Killed
        return episodes(env, agent, experience, seed, steps)

    monkeypatch.setattr(sac, "run_episode", fails)
    with pytest.raises(Killed):
        train(TINY, tmp_path / "halves", progress=False)
    monkeypatch.setattr(sac, "run_episode", episodes)
    assert len(weights(tmp_path / "halves")["experience.reward"]) == 100
    train(TINY, tmp_path / "halves", progress=False)
    halves = weights(tmp_path / "halves")
    assert [json.loads(line)["step"] for line in (tmp_path / "halves" / sac.LOG).read_text().splitlines()] == [50, 100, 150, 200]
    assert whole.keys() == halves.keys() and all(torch.equal(whole[key], halves[key]) for key in whole)
    train(dataclasses.replace(TINY, seed=1), tmp_path / "other", progress=False)
    assert not torch.equal(weights(tmp_path / "other")["agent.actor.net.0.weight"], whole["agent.actor.net.0.weight"])


def test_another_training_is_refused_and_a_longer_one_goes_on(tmp_path):
    train(dataclasses.replace(TINY, steps=100), tmp_path, progress=False)
    with pytest.raises(ValueError, match="lr: expected 0.1, found 0.0003"):
        train(dataclasses.replace(TINY, lr=0.1), tmp_path, progress=False)
    assert train(TINY, tmp_path, progress=False)["step"] == 200
    assert [json.loads(line)["step"] for line in (tmp_path / sac.LOG).read_text().splitlines()] == [50, 100, 150, 200]


def test_an_update_learns_a_value_that_is_known():
    "One state, reward 1 - |a - 0.5|, discount 0: the critics find it and the actor goes to 0.5."
    config = SACConfig("reacher_easy", hidden=32, lr=3e-3, discount=0.0, temperature=0.01)
    agent, rng = Agent(1, 1, config), np.random.default_rng(0)
    for _ in range(600):
        action = torch.from_numpy(rng.uniform(-1, 1, (64, 1)).astype(np.float32))
        obs, noise = torch.zeros(64, 1), torch.from_numpy(rng.standard_normal((2, 64, 1), dtype=np.float32))
        agent.update(obs, action, 1 - (action[:, 0] - 0.5).abs(), obs, noise)
    with torch.no_grad():
        values = agent.critics(torch.zeros(3, 1), torch.tensor([[-0.5], [0.0], [0.5]]))
        assert values.shape == (2, 3) and (values - torch.tensor([0.0, 0.5, 1.0])).abs().max() < 0.12
        assert abs(float(agent.actor.decide(torch.zeros(1, 1))) - 0.5) < 0.15
        assert (agent.slow(torch.zeros(1, 1), torch.zeros(1, 1)) - 0.5).abs().max() < 0.2, "the slow copies follow"


def test_the_two_critics_are_two_networks():
    torch.manual_seed(0)
    critics, obs, action = Critics(3, 2, 8), torch.randn(5, 3), torch.randn(5, 2)
    for which, value in enumerate(critics(obs, action)):
        x = torch.cat([obs, action], -1)
        for i in range(3):
            x = (x if i == 0 else x.relu()) @ critics.weights[i][which] + critics.biases[i][which]
        assert torch.allclose(x[:, 0], value, atol=1e-6)
    assert not torch.allclose(*critics(obs, action))


def test_an_exported_actor_can_be_read_without_torch_and_says_where_it_comes_from(tmp_path):
    train(TINY, tmp_path / "run", progress=False)
    note = export_actor(tmp_path / "run", tmp_path / "expert.safetensors", seeds=range(2))
    from safetensors import safe_open

    with safe_open(tmp_path / "expert.safetensors", framework="numpy") as file:
        assert sorted(file.keys()) == ["0.bias", "0.weight", "2.bias", "2.weight", "4.bias", "4.weight"]
        assert json.loads(file.metadata()["prism_repro"]) == note and note["config"]["task"] == "reacher_easy" and len(note["returns"]) == 2
    network, env = read_expert(tmp_path / "expert.safetensors"), ControlEnv("reacher_easy", action_repeat=20)
    assert [round(10 * expert_score(env, seed, expert=network), 1) for seed in (0, 1)] == pytest.approx(note["returns"], abs=0.5)
    actor = sac.Actor(6, 2, 16)
    actor.load_state_dict(sac._part(weights(tmp_path / "run"), "best"))
    with torch.no_grad():
        assert np.allclose(network(env.low_dim()), actor.decide(torch.from_numpy(sac.observe(env))[None])[0], atol=1e-6)
