"""Tests of nbs/envs/39_control.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("dm_control")

from prism_repro.envs.control import HORIZON, TASKS, ControlEnv
from prism_repro.envs.rendering import RenderSettings


def episode_hash(env, seed, steps=40):
    env.reset(seed)
    digest = hashlib.sha256(env.get_state().tobytes())
    for action in np.random.default_rng(seed).uniform(-1, 1, (steps, env.task.action_dim)):
        env.step(action)
        digest.update(env.get_state().tobytes() + np.concatenate(list(env.low_dim().values())).tobytes())
    return digest.hexdigest()


FRESH = """
import sys
import prism_repro.envs.control
print([m for m in ("mujoco", "dm_control", "torch", "OpenGL") if m in sys.modules])
sys.path.insert(0, {folder!r})
from test_envs_control import TASKS, ControlEnv, episode_hash
print(*(episode_hash(ControlEnv(task), 11) for task in TASKS))
print("OpenGL" in sys.modules)
"""


def test_episodes_repeat_whatever_ran_before_and_physics_needs_no_screen():
    firsts = []
    for task in TASKS:
        env = ControlEnv(task)
        firsts.append(episode_hash(env, 11))
        assert episode_hash(env, 12) != firsts[-1]
        np.random.seed(5)
        assert episode_hash(env, 11) == firsts[-1]
    code = FRESH.format(folder=os.path.dirname(os.path.abspath(__file__)))
    environment = {key: value for key, value in os.environ.items() if key != "MUJOCO_GL"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**environment, "PYTHONHASHSEED": "7"})
    assert done.stdout.splitlines() == ["[]", " ".join(firsts), "False"], done.stderr


@pytest.mark.parametrize("task", list(TASKS))
def test_what_follows_a_state_depends_on_it_and_on_the_actions_alone(task):
    env = ControlEnv(task)
    env.reset(3)
    actions, states, seen, rewards = np.random.default_rng(0).uniform(-1, 1, (60, env.task.action_dim)), [], [], []
    for action in actions:
        states.append(env.get_state())
        seen.append(env.low_dim())
        rewards.append(env.step(action))
    last = env.get_state()
    assert last[-1] == pytest.approx(sum(rewards)) and env.score() == last[-1] / 10
    for start in (0, 1, 37):
        env.reset(4)
        env.set_state(states[start])
        for step in range(start, 60):
            assert np.array_equal(env.get_state(), states[step])
            assert all(np.array_equal(value, seen[step][key]) for key, value in env.low_dim().items())
            assert env.step(actions[step]) == rewards[step]
        assert np.array_equal(env.get_state(), last)
    assert {key: len(value) for key, value in env.low_dim().items()} == env.task.low_dim


def test_an_episode_is_dm_controls_own():
    from dm_control import suite

    for task in TASKS.values():
        theirs = suite.load(task.domain, task.level, task_kwargs=dict(random=np.random.RandomState(9)))
        ours, step, total, n = ControlEnv(task.name), theirs.reset(), 0.0, 0
        ours.reset(9)
        assert ours.task.control_freq == pytest.approx(1 / theirs.control_timestep()) and theirs.action_spec().shape == (task.action_dim,)
        assert theirs.action_spec().minimum.min() == -1 and theirs.action_spec().maximum.max() == 1
        for action in np.random.default_rng(2).uniform(-1, 1, (ours.steps, task.action_dim)):
            for _ in range(ours.action_repeat):
                assert not step.last()
                step, n = theirs.step(action), n + 1
                total += step.reward
            ours.step(action)
        assert step.last() and n == HORIZON == task.horizon
        assert ours.score() == pytest.approx(total / 10, abs=1e-9)
        assert all(np.array_equal(np.atleast_1d(value), ours.low_dim()[key]) for key, value in step.observation.items())


def test_an_action_is_held():
    one, four = ControlEnv("cheetah_run", action_repeat=1), ControlEnv("cheetah_run", action_repeat=4)
    one.reset(1), four.reset(1)
    action = np.full(6, 0.5)
    assert four.step(action) == pytest.approx(sum(one.step(action) for _ in range(4)))
    assert np.array_equal(one.get_state()[:-1], four.get_state()[:-1]) and (one.steps, four.steps) == (1000, 250)
    one.reset(1), four.reset(1)
    one.step(np.ones(6)), one.step(np.ones(6)), one.step(np.ones(6)), one.step(np.ones(6)), four.step(np.full(6, 3.0))
    assert np.array_equal(one.get_state()[:-1], four.get_state()[:-1]), "actions are clipped"


def test_bad_input_gets_a_sentence(monkeypatch):
    env = ControlEnv("reacher_easy")
    with pytest.raises(ValueError, match="choose one of walker_stand"):
        ControlEnv("humanoid_run")
    with pytest.raises(ValueError, match="must divide the 1000"):
        ControlEnv("reacher_easy", action_repeat=3)
    with pytest.raises(ValueError, match="expected 2 finite"):
        env.step(np.zeros(6))
    with pytest.raises(ValueError, match="expected 2 finite"):
        env.step([np.nan, 0])
    with pytest.raises(ValueError, match="has 10 numbers"):
        env.set_state(np.zeros(3))
    with pytest.raises(RuntimeError, match="render=None"):
        env.render("fixed", 32)
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"prism_repro\[control\]"):
        ControlEnv("reacher_easy")


def test_what_the_finger_feels_belongs_to_the_state():
    env, other, rng = ControlEnv("finger_spin"), ControlEnv("finger_spin"), np.random.default_rng(0)
    env.reset(0)
    for _ in range(env.steps):
        env.step(rng.uniform(-1, 1, 2))
        if env.low_dim()["touch"].sum() > 0.1:
            break
    other.set_state(env.get_state())
    felt = env.low_dim()["touch"]
    assert felt.sum() > 0.1 and np.array_equal(other.low_dim()["touch"], felt)


def test_the_target_belongs_to_the_state():
    env = ControlEnv("reacher_easy")
    env.reset(1)
    first, seen = env.get_state(), env.low_dim()["to_target"]
    env.reset(2)
    assert not np.array_equal(env.get_state()[-3:-1], first[-3:-1])
    env.set_state(first)
    assert np.array_equal(env.low_dim()["to_target"], seen)
    assert env.env_args()["env_kwargs"] == dict(task="reacher_easy", horizon=1000, action_repeat=2)


@pytest.mark.gl
def test_frames_show_the_state_and_nothing_else():
    env = ControlEnv("reacher_easy", RenderSettings())
    try:
        env.reset(1)
        first, state = env.render("fixed", 64), env.get_state()
        assert first.shape == (64, 64, 3) and first.std() > 10 and env.gl
        env.reset(2)
        assert (env.render("fixed", 64) != first).any()
        env.set_state(state)
        assert np.array_equal(env.render("fixed", 64), first)
        geoms = env.render("fixed", 64, segmentation=True)
        assert {env._model.geom("target").id, env._model.geom("arm").id} <= set(geoms.ravel())
        with pytest.raises(ValueError, match="no camera 'side'"):
            env.render("side", 32)
    finally:
        env.close()
