"""Tests of nbs/evaluation/70_rollouts.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json

from pathlib import Path

import numpy as np
import pytest

from prism_repro.evaluation.baselines import Baseline
from prism_repro.evaluation.rollouts import check_render, episode_noise, is_observed, rollouts, run_episode, stack_history

POLICY = Path(__file__).parent / "fixtures" / "lift_policy"  # stock Lift, 600 steps of a very small network: weak on purpose, so that episodes end both ways


@pytest.mark.gl
@pytest.mark.slow
def test_episodes_are_the_same_for_one_and_four_workers():
    seeds = list(range(100000, 100011))
    one = rollouts(POLICY, seeds, workers=1, horizon=120, progress=False)
    four = rollouts(POLICY, [seeds[i] for i in (3, 0, 5, 1, 10, 4, 2, 9, 7, 6, 8)], workers=4, horizon=120, progress=False)
    assert one == four
    assert 0 < sum(e["success"] for e in one) < len(seeds), "a policy of middling success, or the test says little"
    assert len({e["actions_sha256"] for e in one}) == len({e["final_state_sha256"] for e in one}) == len(seeds)


@pytest.mark.gl
def test_noise_drawn_per_process_would_be_noticed(monkeypatch):
    "The same episode with noise from another stream acts differently: the hashes above can tell."
    import prism_repro.evaluation.rollouts as module
    from prism_repro.envs.rendering import RenderSettings
    from prism_repro.envs.robosuite import RobosuiteEnv

    actor, env = module.PolicyActor(POLICY), RobosuiteEnv("lift", RenderSettings())
    try:
        ours, again = (run_episode(actor, env, 100000, horizon=12) for _ in range(2))
        rng = np.random.default_rng(0)
        monkeypatch.setattr(module, "episode_noise", lambda seed, chunk, shape: rng.standard_normal(shape, dtype=np.float32))
        other = run_episode(actor, env, 100000, horizon=12)
    finally:
        env.close()
    assert ours == again and ours["actions_sha256"] != other["actions_sha256"]


def test_an_evaluation_never_starts_where_demonstrations_do():
    class Env:
        asked = []
        def reset(self, seed): self.asked.append("reset")
        def reset_evaluation(self, seed): self.asked.append("reset_evaluation")
        def low_dim(self): return {}
        def step(self, action): pass
        def success(self): return True
        def get_state(self): return np.zeros(1)

    run_episode(Baseline("lift"), Env(), 3, horizon=5)
    assert Env.asked == ["reset_evaluation"]


def test_the_first_observation_stands_in_for_the_past():
    history = [dict(x=np.array([float(i)])) for i in range(3)]
    assert stack_history(history[:1], 2)["x"][:, 0].tolist() == [0, 0]
    assert stack_history(history, 2)["x"][:, 0].tolist() == [1, 2]


def test_noise_is_a_function_of_episode_and_chunk():
    a = episode_noise(5, 0, (16, 7))
    assert np.array_equal(a, episode_noise(5, 0, (16, 7)))
    assert not np.array_equal(a, episode_noise(5, 1, (16, 7)))
    assert not np.array_equal(a, episode_noise(6, 0, (16, 7)))


def test_data_rendered_otherwise_are_refused():
    with pytest.raises(ValueError, match="trained on images rendered with"):
        rollouts(POLICY, [0], render=dict(fast=False, thin=1.0))
    config = json.loads((POLICY / "config.json").read_text())
    with pytest.raises(ValueError, match="does not record how"):
        check_render({k: v for k, v in config.items() if k != "render"}, None)
