"""Tests of nbs/demos/51_control.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json

import numpy as np
import pytest

pytest.importorskip("dm_control")

from safetensors.numpy import save_file

from prism_repro.demos.control import KIND, LEARNED, Network, asset, expert_score, make_expert, read_expert, run_control_expert
from prism_repro.envs.control import TASKS, ControlEnv


def test_the_arm_reaches():
    env = ControlEnv("reacher_easy")
    scores = [expert_score(env, seed) for seed in range(300, 310)]
    assert np.mean(scores) >= 90 and min(scores) > 80, scores


@pytest.mark.parametrize("task", LEARNED)
def test_a_committed_network_does_what_its_note_says(task):
    if not asset(task).is_file():
        pytest.skip(f"no expert of {task} was committed")
    network = make_expert(task)
    assert network.note["config"]["task"] == task and asset(task).stat().st_size < 1e6
    env = ControlEnv(task, action_repeat=network.note["config"]["action_repeat"])
    for seed, told in list(zip(network.note["seeds"], network.note["returns"]))[:2]:
        assert abs(10 * expert_score(env, seed) - told) < 0.15 * max(told, 100), "the same episode, on any machine"


def test_an_episode_of_an_expert_repeats_and_noise_is_its_own(tmp_path):
    env = ControlEnv("reacher_easy", action_repeat=20)
    first = list(np.array(action) for action in _played(env, 5, 0.0))
    assert np.array_equal(first, list(_played(env, 5, 0.0))) and len(first) == env.steps == 50
    noisy = list(_played(env, 5, 0.3))
    assert np.array_equal(noisy, list(_played(env, 5, 0.3))) and 0.05 < np.abs(np.array(noisy[0]) - first[0]).max() < 2
    assert np.abs(noisy).max() <= 1


def _played(env, seed, noise):
    for action in run_control_expert(env, seed, noise):
        env.step(action)
        yield action


def network_file(path, obs=6, actions=2, hidden=4, **note):
    rng = np.random.default_rng(0)
    sizes = [(hidden, obs), (hidden, hidden), (2 * actions, hidden)]
    arrays = {}
    for layer, size in zip(("0", "2", "4"), sizes):
        arrays |= {f"{layer}.weight": rng.normal(size=size).astype(np.float32), f"{layer}.bias": rng.normal(size=size[0]).astype(np.float32)}
    save_file(arrays, path, {"prism_repro": json.dumps(dict(kind=KIND, config=dict(action_repeat=2)) | note)})
    return arrays


def test_a_network_is_three_layers(tmp_path):
    arrays = network_file(tmp_path / "net.safetensors")
    network, seen = read_expert(tmp_path / "net.safetensors"), {"a": np.arange(4.0), "b": np.float64(2.0), "c": np.ones(1)}
    x = np.array([0, 1, 2, 3, 2, 1.0])
    hidden = np.maximum(arrays["2.weight"] @ np.maximum(arrays["0.weight"] @ x + arrays["0.bias"], 0) + arrays["2.bias"], 0)
    assert np.allclose(network(seen), np.tanh(arrays["4.weight"] @ hidden + arrays["4.bias"])[:2], atol=1e-6) and network(seen).shape == (2,)


def test_bad_input_gets_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="choose one of walker_stand"):
        make_expert("humanoid_run")
    with pytest.raises(FileNotFoundError, match="no expert of this task was committed"):
        make_expert("walker_walk", tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("not weights")
    with pytest.raises(ValueError, match="not a readable safetensors"):
        read_expert(tmp_path / "text.safetensors")
    network_file(tmp_path / "other.safetensors", kind="something else")
    with pytest.raises(ValueError, match="found 'something else'"):
        read_expert(tmp_path / "other.safetensors")
    network_file(tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match="make it with action_repeat=2"):
        next(run_control_expert(ControlEnv("reacher_easy", action_repeat=4), 0, expert=make_expert("reacher_easy", tmp_path / "net.safetensors")))
    assert isinstance(make_expert("reacher_easy", tmp_path / "net.safetensors"), Network)
