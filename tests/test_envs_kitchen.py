"""Tests of nbs/envs/38_kitchen.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("gymnasium_robotics")

from prism_repro.envs.kitchen import CAMERAS, CROP, DESK, OBJECTS, START, TASKS, KitchenEnv, load_model
from prism_repro.envs.rendering import RenderSettings


def episode_hash(env, seed, steps=12):
    env.reset(seed)
    digest = hashlib.sha256(env.get_state().tobytes())
    for action in np.random.default_rng(seed).uniform(-1, 1, (steps, 9)):
        env.step(action)
        digest.update(env.get_state().tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def env():
    return KitchenEnv("light_on")


FRESH = """
import sys
import prism_repro.envs.kitchen
print([m for m in ("mujoco", "gymnasium_robotics", "torch", "OpenGL") if m in sys.modules])
sys.path.insert(0, {folder!r})
from test_envs_kitchen import KitchenEnv, episode_hash
print(episode_hash(KitchenEnv("light_on"), 11))
"""


def test_an_episode_repeats_whatever_ran_before_and_importing_needs_no_simulator(env):
    first = episode_hash(env, 11)
    assert episode_hash(env, 12) != first
    np.random.seed(5)
    assert episode_hash(env, 11) == first
    code = FRESH.format(folder=os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert done.stdout.splitlines() == ["[]", first], done.stderr


def test_what_follows_a_state_depends_on_it_and_on_the_actions_alone(env):
    actions = np.random.default_rng(0).uniform(-1, 1, (16, 9))
    env.reset(3)
    for action in actions[:8]:
        env.step(action)
    middle = env.get_state()
    for action in actions[8:]:
        env.step(action)
    last = env.get_state()
    env.reset(4)
    env.set_state(middle)
    assert np.array_equal(env.get_state(), middle)
    for action in actions[8:]:
        env.step(action)
    assert np.array_equal(env.get_state(), last)


def test_start_states_are_the_protocols(env):
    joints, desks = [], []
    limits = env._model.jnt_range[:9]
    for seed in range(60):
        env.reset(seed)
        joints.append(env.low_dim()["robot0_qpos"])
        desks.append(env.get_state()[-4:-1] - DESK)
        assert env._data.ncon <= 4 and np.abs(env.objects()).max() < 1e-9 and not env.success()
    joints, desks = np.array(joints), np.array(desks)
    assert ((joints >= limits[:, 0]) & (joints <= limits[:, 1])).all()
    spread = np.abs(joints - START).max(0) / np.ptp(limits, axis=1)
    assert (spread < 0.02501).all() and (np.delete(spread, [1, 7]) > 0.02).all()
    assert 0.08 < np.abs(desks).max() <= 0.1 and (desks.std(0) > 0.03).all()


@pytest.mark.parametrize("task, low, high", [("knob1_on", -1.57, -1.3345), ("light_on", -0.70, -0.595), ("sdoor_open", 0.374, 0.44),
                                             ("ldoor_open", -1.4855, -1.0145), ("micro_open", -1.5641, -0.9359)])
def test_a_state_is_solved_within_the_protocols_bounds_and_a_success_takes_more_than_five(task, low, high):
    env = KitchenEnv(task)
    state = env.get_state()
    joint = 1 + env._model.joint(TASKS[task].joint).qposadr[0]
    for value, solved in ((0, False), (low + 1e-3, True), (high - 1e-3, True), (low - 1e-3, low == TASKS[task].goal), (high + 1e-3, high == TASKS[task].goal)):
        state[joint] = value
        env.set_state(state)
        assert env.solved() is solved, (task, value)
    state[joint] = (low + high) / 2
    other = 1 + env._model.joint(next(name for name in OBJECTS if name not in (TASKS[task].joint, "slide_cabinet"))).qposadr[0]
    state[other] = 0.5
    env.set_state(state)
    assert not env.solved(), "another joint has moved"
    state[other] = 0.0
    env.set_state(state)
    counts = []
    for _ in range(7):
        counts.append(env.success())
        env.step(np.zeros(9))
    assert counts == [False] * 6 + [True]


def test_bad_input_gets_a_sentence(env):
    with pytest.raises(ValueError, match="choose one of knob1_on"):
        KitchenEnv("kettle")
    with pytest.raises(ValueError, match="expected 9 finite"):
        env.step(np.zeros(7))
    with pytest.raises(ValueError, match="64 numbers"):
        env.set_state(np.zeros(3))
    with pytest.raises(RuntimeError, match="render=None"):
        env.render("left_cap2", 32)


def test_the_model_can_be_described_on_any_machine(env):
    assert env.env_args()["env_kwargs"]["task"] == "light_on"
    assert env.model_xml().startswith("<mujoco") and "site-packages" not in env.model_xml()


@pytest.mark.gl
def test_cameras_show_the_middle_of_the_protocols_frame():
    import mujoco

    env = KitchenEnv("light_on", RenderSettings())
    try:
        wide = {name: env._model.cam_fovy[env._cameras[name]] for name in CAMERAS}
        crops = {}
        for name in CAMERAS:
            crops[name] = env.render(name, 112)
            env._model.cam_fovy[env._cameras[name]] = 45.0
            whole = env.render(name, 128)[8:-8, 8:-8]
            assert (np.abs(whole.astype(int) - crops[name]).max(-1) > 3).mean() < 0.02
            env._model.cam_fovy[env._cameras[name]] = wide[name]
            assert np.array_equal(env.render(name, 112), crops[name])
        parts = env.render("left_cap2", 112, segmentation=True)
        arm = [g for g in range(env._model.ngeom) if "panda0" in env._model.body(env._model.geom_bodyid[g]).name]
        assert np.isin(parts, arm).mean() > 0.05, "the arm is drawn"
        assert env._model.body(env._model.geom_bodyid[parts[56, 56]]).name in ("knob 1", "knob 2", "knob 3", "knob 4", "hoodroot", "ovenroot", "wallroot"), "the left camera aims at knob 1"
        with pytest.raises(ValueError, match="no camera 'agentview'"):
            env.render("agentview", 32)
    finally:
        env.close()
