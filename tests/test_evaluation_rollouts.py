"""Tests of nbs/evaluation/70_rollouts.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prism_repro.evaluation.baselines import Baseline
from prism_repro.evaluation.rollouts import check_render, episode_noise, film, is_observed, rollouts, run_episode, stack_history

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


def without_worker(*_):
    pytest.fail("a process was started")


@pytest.mark.parametrize(
    "change,match",
    [
        (dict(seeds=[]), "seeds is empty"),
        (dict(seeds=5), "seeds=5: expected a list of whole numbers"),
        (dict(seeds=[1, 2, 1]), r"The seeds \[1\] come more than once"),
        (dict(seeds=[-1]), "seed=-1: expected a whole number of at least 0"),
        (dict(seeds=[2.5]), "seed=2.5: expected a whole number"),
        (dict(workers=0), "workers=0: expected a whole number of at least 1"),
        (dict(workers=1.5), "workers=1.5: expected a whole number"),
        (dict(horizon=0), "horizon=0: expected a whole number of at least 1"),
        (dict(horizon=2.5), "horizon=2.5: expected a whole number"),
        (dict(task="lifft"), "There is no task 'lifft'"),
        (dict(policy=None), "policy=None: expected the folder of a saved policy"),
    ],
)
def test_what_cannot_be_rolled_out_is_refused_before_processes_start(change, match, monkeypatch):
    monkeypatch.setattr("prism_repro.evaluation.rollouts.process_pool", without_worker)
    with pytest.raises(ValueError, match=match):
        rollouts(**(dict(policy=POLICY, seeds=[1], progress=False) | change))


@pytest.mark.parametrize(
    "files,error,match",
    [
        ({}, FileNotFoundError, "config.json is missing: a saved policy is a folder"),
        ({"config.json": "{}"}, FileNotFoundError, "model.safetensors is missing"),
        ({"policy.json": "{}"}, FileNotFoundError, "pass OnnxPolicy"),
        ({"config.json": "{", "model.safetensors": ""}, ValueError, "config.json is not JSON"),
        ({"config.json": '{"depth": 3}', "model.safetensors": ""}, ValueError, r"is not a policy: its configuration lacks \['cameras', "),
    ],
)
def test_a_folder_that_is_no_policy_is_refused_before_processes_start(files, error, match, tmp_path, monkeypatch):
    monkeypatch.setattr("prism_repro.evaluation.rollouts.process_pool", without_worker)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for call in (lambda: rollouts(tmp_path, [1]), lambda: film(tmp_path, 1)):
        with pytest.raises(error, match=match):
            call()


@pytest.mark.parametrize("change", [dict(seed=-1), dict(seed=2.5), dict(horizon=0), dict(frames=0), dict(size=0)])
def test_what_cannot_be_filmed_is_refused(change):
    (name, value), = change.items()
    with pytest.raises(ValueError, match=f"{name}={value}: expected a whole number of at least"):
        film(POLICY, **(dict(seed=1) | change))


class Killed:
    "An actor whose arrival ends the worker."
    config = Baseline("lift").config

    def __reduce__(self):
        return os._exit, (1,)


def test_a_dead_worker_is_told_with_its_causes():
    with pytest.raises(RuntimeError, match="worker on task 'lift' died.*below `if __name__.*out of memory"):
        rollouts(Killed(), [1], workers=1, progress=False)


def test_a_script_without_a_guard_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from prism_repro.evaluation.baselines import Baseline\nfrom prism_repro.evaluation.rollouts import rollouts\nrollouts(Baseline('lift'), [1], workers=1, progress=False)\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and 'call it below `if __name__ == "__main__":`' in done.stderr.splitlines()[-1] and "bootstrapping phase" in done.stderr


def test_seeds_of_numpy_are_seeds(monkeypatch):
    monkeypatch.setattr("prism_repro.evaluation.rollouts._rollouts", lambda policy, task, seeds, *rest: [dict(seed=seed) for seed in seeds])
    assert rollouts(Baseline("lift"), np.arange(3)) == [dict(seed=0), dict(seed=1), dict(seed=2)] == rollouts(Baseline("lift"), range(3), horizon=np.int64(5))


def test_data_rendered_otherwise_are_refused():
    with pytest.raises(ValueError, match="trained on images rendered with"):
        rollouts(POLICY, [0], render=dict(fast=False, thin=1.0))
    config = json.loads((POLICY / "config.json").read_text())
    with pytest.raises(ValueError, match="does not record how"):
        check_render({k: v for k, v in config.items() if k != "render"}, None)
