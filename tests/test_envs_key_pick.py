"""Tests of nbs/envs/33_key_pick.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("robosuite")

from prism_repro.envs.key_pick import LENGTH, THICK, key_boxes, key_pick
from prism_repro.envs.robosuite import RobosuiteEnv


def episode_hash(env, seed, steps=15):
    env.reset(seed)
    digest = hashlib.sha256(env.get_state().tobytes())
    for action in np.random.default_rng(seed).uniform(-1, 1, (steps, 7)):
        env.step(action)
        digest.update(env.get_state().tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def env():
    return RobosuiteEnv("key_pick", None)


FRESH = """
import sys
import prism_repro.envs.key_pick
print([m for m in ("mujoco", "robosuite", "torch", "OpenGL") if m in sys.modules])
sys.path.insert(0, {folder!r})
from test_envs_key_pick import RobosuiteEnv, episode_hash
print(episode_hash(RobosuiteEnv("key_pick", None), 11))
"""


def test_an_episode_repeats_whatever_ran_before_and_importing_needs_no_simulator(env):
    first = episode_hash(env, 11)
    assert episode_hash(env, 12) != first
    np.random.seed(5)
    assert episode_hash(env, 11) == first
    code = FRESH.format(folder=os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert done.stdout.splitlines() == ["[]", first], done.stderr


def test_success_is_a_key_4_cm_above_the_table(env):
    env.reset(0)
    state, key = env.get_state(), env.pose("key_main")[0]
    height = 1 + 9 + 2
    assert np.isclose(state[height], key[2], atol=1e-3)
    for z, solved in ((0.8399, False), (0.8401, True)):
        state[height] = z
        env.set_state(state)
        assert env.success() is solved


def test_the_key_lies_flat_anywhere_within_10_cm_turned_any_way(env):
    places, directions = [], []
    for seed in range(40):
        env.reset(seed)
        places.append(env.pose("key_main")[0][:2])
        directions.append(env.pose("key_main")[1][:2, 0])
        if seed < 5:
            for _ in range(10):
                env.step(np.zeros(7))
            middle, turned = env.pose("key_main")
            assert abs(middle[2] - 0.8 - THICK / 2) < 5e-4 and turned[2, 2] > 0.999
            assert np.linalg.norm(middle[:2] - places[-1]) < 0.002, "it lies where it was put"
    assert 0.08 < np.abs(places).max() <= 0.10 and np.abs(np.mean(directions, axis=0)).max() < 0.4
    assert {(x > 0, y > 0) for x, y in directions} == {(True, True), (True, False), (False, True), (False, False)}


def test_the_key_has_a_hole_and_its_outline_is_as_long_as_it_says():
    centres = np.array([[float(number) for number in box["pos"].split()] for box in key_boxes()])
    halves = np.array([[float(number) for number in box["size"].split()] for box in key_boxes()])
    bow = np.array(["bow" in box["name"] for box in key_boxes()])
    hole = centres[bow].mean(axis=0)
    assert np.ptp(np.linalg.norm(centres[bow] - hole, axis=1)) < 1e-5
    others = np.abs(centres[~bow] - hole)[:, 0] - halves[~bow][:, 0]
    assert others.min() > 0.015, "shank and teeth leave the hole open"
    left = (centres - halves)[bow][:, 0].min()
    assert np.isclose((centres + halves)[~bow][:, 0].max() - left, LENGTH, atol=1e-6)


def test_robosuite_makes_it_by_name_and_replays_a_model(env):
    import robosuite

    args = json.loads(json.dumps(env.env_args()))
    other = robosuite.make(args["env_name"], **{**args["env_kwargs"], "has_offscreen_renderer": False, "use_camera_obs": False})
    seen = other.reset()
    assert type(other) is key_pick() and seen["key_pos"].shape == (3,) and seen["object-state"].shape == (7,)
    other.reset_from_xml_string(env.model_xml())  # as robomimic replays a demonstration
    other.sim.set_state_from_flattened(env.get_state())
    other.sim.forward()
    assert np.abs(other.sim.data.site_xpos - env._data.site_xpos).max() < 1e-6
    assert other.reward() == float(env.success())


@pytest.mark.gl
def test_both_cameras_see_a_brass_key():
    env = RobosuiteEnv("key_pick")
    try:
        for seed in (100, 101, 102):
            env.reset(seed)
            for camera, least in zip(env.task.cameras, (40, 60)):
                image, key = env.render(camera, 84), env.parts(camera, 84) == 1
                red, green, blue = image[key].mean(axis=0)
                assert key.sum() > least and red > green + 20 > blue + 40, camera
    finally:
        env.close()
