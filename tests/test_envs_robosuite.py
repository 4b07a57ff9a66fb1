"""Tests of nbs/envs/31_robosuite.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("robosuite")

from prism_repro.envs.rendering import RenderSettings
from prism_repro.envs.robosuite import MODEL_SEED, RobosuiteEnv
from prism_repro.envs.tasks import CAMERAS, TASKS


def episode_hash(env, seed, steps=25):
    env.reset(seed)
    digest = hashlib.sha256(env.get_state().tobytes())
    for action in np.random.default_rng(seed).uniform(-1, 1, (steps, 7)):
        env.step(action)
        digest.update(env.get_state().tobytes())
    return digest.hexdigest()


def python(code, **env):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **env})
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def lift():
    return RobosuiteEnv("lift", None)


FRESH = """
import sys, hashlib, numpy as np
from prism_repro.envs.robosuite import RobosuiteEnv
env = RobosuiteEnv({task!r}, None)
sys.path.insert(0, {folder!r})
from test_envs_robosuite import episode_hash
print(episode_hash(env, 11))
"""


@pytest.mark.parametrize("task", [task.name for task in TASKS.values() if task.world != "libero"])  # those have tests of their own
def test_an_episode_repeats_whatever_ran_before(task):
    env = RobosuiteEnv(task, None)
    first = episode_hash(env, 11)
    np.random.seed(5)
    env.step(np.ones(7))
    env.set_state(env.get_state() + 0.01)
    env.step(-np.ones(7))
    RobosuiteEnv("lift", None)
    assert episode_hash(env, 12) != first
    assert episode_hash(env, 11) == first
    done = python(FRESH.format(folder=os.path.dirname(os.path.abspath(__file__)), task=task), PYTHONHASHSEED="7")
    assert done.stdout.strip() == first
    assert done.stderr == ""  # robosuite keeps quiet


@pytest.mark.gl
def test_rendering_and_thinning_leave_the_physics_alone(lift):
    env = RobosuiteEnv("lift")
    env.reset(11)
    env.render("agentview", 84)
    rendered = episode_hash(env, 11)
    env.close()
    assert rendered == episode_hash(lift, 11)


def test_the_object_is_touched_when_the_fingers_hold_it(lift):
    lift.reset(11)
    plain, touched = episode_hash(lift, 11), []
    lift.reset(11)
    digest = hashlib.sha256(lift.get_state().tobytes())
    for action in np.random.default_rng(11).uniform(-1, 1, (25, 7)):
        touched.append(lift.contact())
        lift.step(action)
        lift.contact()
        digest.update(lift.get_state().tobytes())
    assert digest.hexdigest() == plain and not any(touched)  # asking changes nothing
    state, hand = lift.get_state(), lift.low_dim()["robot0_eef_pos"]
    place = 1 + int(np.flatnonzero(np.isclose(state[1 : 1 + 16], lift.object_pose()[0][0]))[0])
    for sideways, expected in ((0.0, True), (0.2, False)):  # the cube between the fingers, which are 8 cm apart when open, and far from them
        state[place : place + 3] = hand + [sideways, 0, 0]
        state[1 + 7 : 1 + 9] = [0.02, -0.02]
        lift.set_state(state)
        assert lift.contact() is expected
    position, turned = lift.pose("cube_main")
    x, y, z, w = lift.object_pose()[1]
    assert np.array_equal(lift.object_pose()[0], position) and np.isclose(turned[0, 0], 1 - 2 * (y * y + z * z))
    assert np.isclose(turned[1, 0], 2 * (x * y + w * z))


def test_lift_is_robosuite_s_own_lift(lift):
    import robosuite

    stock = robosuite.make("Lift", robots="Panda", has_renderer=False, has_offscreen_renderer=False, use_camera_obs=False, hard_reset=False, seed=MODEL_SEED)
    stock.rng = stock.placement_initializer.rng = np.random.default_rng(6)
    stock.reset()
    lift.reset(6)
    assert np.array_equal(stock.sim.get_state().flatten(), lift.get_state())
    for action in np.random.default_rng(0).uniform(-1, 1, (30, 7)):
        stock.step(action)
        lift.step(action)
    assert np.array_equal(stock.sim.get_state().flatten(), lift.get_state())
    stale = stock._get_observations(force_update=True)  # 2 ms behind
    stock.sim.forward()
    fresh = stock._get_observations(force_update=True)
    for key, value in lift.low_dim().items():
        assert np.array_equal(fresh[key], value), key
        assert np.abs(stale[key] - value).max() < 2e-3, key


def test_the_cube_lies_where_the_task_says():
    for task, least in (("lift", 0.02), ("lift_wide", 0.08)):
        env, half = RobosuiteEnv(task, None), TASKS[task].placement_half_range
        places = []
        for seed in range(60):
            env.reset(seed)
            places.append(env.pose("cube_main")[0][:2])
        assert least < np.abs(places).max() <= half, task


def test_observations_depend_on_the_state_alone(lift):
    lift.reset(2)
    for action in np.random.default_rng(2).uniform(-1, 1, (20, 7)):
        lift.step(action)
    state, seen, cube = lift.get_state(), lift.low_dim(), lift.pose("cube_main")
    other = RobosuiteEnv("lift", None)
    other.set_state(state)
    assert np.array_equal(other.get_state(), state)
    for key in seen:
        assert np.array_equal(other.low_dim()[key], seen[key]), key
    assert np.array_equal(other.pose("cube_main")[1], cube[1])


def test_what_follows_a_set_state_depends_on_it_alone(lift):
    lift.reset(2)
    for _ in range(40):
        lift.step([0.3, 0, -1, 0, 0, 0, 1])
    assert lift._data.ncon > 4  # the hand leans on the table: the contact solver's warm start matters
    state, ends = lift.get_state(), []
    for junk in range(3):
        for _ in range(junk):
            lift.step(np.full(7, 0.5))
        lift.set_state(state)
        for action in np.random.default_rng(0).uniform(-1, 1, (10, 7)):
            lift.step(action)
        ends.append(lift.get_state())
    assert np.array_equal(ends[0], ends[1]) and np.array_equal(ends[0], ends[2])


def test_success_is_a_cube_4_cm_above_the_table(lift):
    lift.reset(0)
    state, cube = lift.get_state(), lift.pose("cube_main")[0]
    height = 1 + int(np.flatnonzero(np.isclose(state[1 : 1 + 16], cube[2]))[0])
    for z, solved in ((0.8399, False), (0.8401, True)):
        state[height] = z
        lift.set_state(state)
        assert lift.success() is solved


STOCK = """
import sys, logging, numpy as np
logging.getLogger("robosuite_logs").addFilter(lambda r: r.levelno >= logging.ERROR)
import robosuite
env = robosuite.make("Lift", robots="Panda", has_renderer=False, has_offscreen_renderer=True, use_camera_obs=True, camera_names={cameras}, camera_heights=84, camera_widths=84,
                     camera_segmentations="element", hard_reset=False, seed={seed})
env.reset()
env.sim.set_state_from_flattened(np.load(sys.argv[1] + "/state.npy"))
env.sim.forward()
obs = env._get_observations(force_update=True)
for camera in {cameras}:
    np.save(f"{{sys.argv[1]}}/{{camera}}.npy", obs[camera + "_image"])
    np.save(f"{{sys.argv[1]}}/{{camera}}_geoms.npy", obs[camera + "_segmentation_element"])
"""


@pytest.mark.gl
def test_frames_are_robosuite_s_own_turned_upright(tmp_path):
    env = RobosuiteEnv("lift", RenderSettings(fast=False, thin=1.0))
    env.reset(8)
    for _ in range(6):
        env.step([0, 0, -1, 0, 0, 0, 1])
    np.save(tmp_path / "state.npy", env.get_state())
    frames = {camera: (env.render(camera, 84), env.render(camera, 84, segmentation=True)) for camera in CAMERAS}
    env.close()
    code = f"import sys; sys.argv.append({str(tmp_path)!r})" + STOCK.format(cameras=list(CAMERAS), seed=MODEL_SEED)
    python(code)
    for camera, (image, geoms) in frames.items():
        assert image.dtype == np.uint8 and image.shape == (84, 84, 3) and image.flags.c_contiguous
        assert np.array_equal(image, np.load(tmp_path / f"{camera}.npy")[::-1]), camera
        theirs = np.load(tmp_path / f"{camera}_geoms.npy")[::-1, :, 0]
        assert np.array_equal(geoms, theirs), camera
    hand = frames["agentview"][0]
    assert hand[:12].mean() < 150 < 200 < hand[-12:].mean()  # the dark arm comes from above, the white table lies below


@pytest.mark.gl
def test_a_second_environment_with_cameras_is_refused():
    env = RobosuiteEnv("lift")
    try:
        with pytest.raises(RuntimeError, match="already has a renderer"):
            RobosuiteEnv("lift_wide")
        RobosuiteEnv("lift_wide", None)
    finally:
        env.close()


def test_bad_input_gets_a_sentence(lift):
    with pytest.raises(ValueError, match="no task 'stack': choose one of lift, lift_wide"):
        RobosuiteEnv("stack")
    with pytest.raises(RuntimeError, match="render=None and has no camera"):
        lift.render("agentview", 84)
    with pytest.raises(ValueError, match="expected 7 finite numbers"):
        lift.step(np.zeros(6))
    with pytest.raises(ValueError, match="expected 7 finite numbers"):
        lift.step([0, 0, np.nan, 0, 0, 0, 0])
    with pytest.raises(ValueError, match="has 32 numbers"):
        lift.set_state(np.zeros(31))


@pytest.mark.gl
def test_an_unknown_camera_gets_a_sentence():
    env = RobosuiteEnv("lift")
    try:
        with pytest.raises(ValueError, match="no camera 'topview': choose one of .*agentview"):
            env.render("topview", 84)
    finally:
        env.close()


def test_a_missing_or_foreign_simulator_is_named(monkeypatch):
    import mujoco

    monkeypatch.setattr(mujoco, "__version__", "3.10.0")
    with pytest.raises(ImportError, match="mujoco 3.10.0 is installed.*pip install mujoco==3.3.7"):
        RobosuiteEnv("lift", None)
    monkeypatch.setitem(sys.modules, "robosuite", None)
    with pytest.raises(ModuleNotFoundError, match=r"need robosuite, which is not installed: run `pip install prism_repro\[sim\]`"):
        RobosuiteEnv("lift", None)


def test_physics_needs_no_opengl(tmp_path):
    (tmp_path / "OpenGL").mkdir()
    (tmp_path / "OpenGL" / "__init__.py").write_text("raise AttributeError('no libEGL here')")
    code = "from prism_repro.envs.robosuite import *; env = RobosuiteEnv('lift', None); env.step([0] * 7); print(env.success())"
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    assert python(code, PYTHONPATH=path).stdout == "False\n"
    done = subprocess.run([sys.executable, "-c", code.replace(", None", "")], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert "no libEGL here" in done.stderr.splitlines()[-1] and "prism-repro doctor" in done.stderr.splitlines()[-1]


def test_importing_needs_no_simulator():
    done = python("import sys, prism_repro.envs.robosuite; print([m for m in ('mujoco', 'robosuite', 'torch', 'OpenGL') if m in sys.modules])")
    assert done.stdout.strip() == "[]"


@pytest.mark.gl
def test_a_demonstration_s_own_cube_is_simulated_and_drawn():
    env = RobosuiteEnv("lift")
    env.reset(3)
    state, xml, seen = env.get_state(), env.model_xml(), env.render("agentview", 48)
    sizes = re.search(r'cube_g0" size="([^"]*)"', xml)[1]
    larger = xml.replace(sizes, "0.03 0.03 0.03").replace("robosuite/models", "/elsewhere/robosuite/models")
    env.load_model(larger)
    env.set_state(state)
    cube = env.geoms("cube_main")[0]
    assert np.allclose(env._model.geom_size[cube], 0.03) and env.model_xml() == larger.replace("/elsewhere/", "")
    drawn = env.render("agentview", 48)
    assert 0.3 < np.abs(drawn.astype(int) - seen).mean() < 5
    for _ in range(10):
        env.step([0, 0, 0.5, 0, 0, 0, 1])
    assert abs(env.pose("cube_main")[0][2] - 0.83) < 2e-3  # stands on its larger foot
    with pytest.raises(ValueError, match="is not this lift's: camera 'frontview' has pos 9"):
        env.load_model(re.sub(r'(<camera name="frontview" pos=")[^ ]*', r"\g<1>9", xml))
    assert np.allclose(env._model.geom_size[cube], 0.03)  # nothing changed
    env.load_model(xml)
    env.set_state(state)
    assert np.array_equal(env.render("agentview", 48), seen)
    before = episode_hash(env, 11, 3)
    env.load_model(larger)
    env.load_model(xml)
    assert episode_hash(env, 11, 3) == before
    env.close()


def test_the_model_and_env_args_travel(lift):
    import robosuite

    xml, args = lift.model_xml(), json.loads(json.dumps(lift.env_args()))
    assert os.path.dirname(robosuite.__file__) not in xml and 'file="robosuite/models/assets/' in xml
    assert set(args) == {"env_name", "env_version", "type", "env_kwargs"} and args["type"] == 1
    kwargs = {**args["env_kwargs"], "has_offscreen_renderer": False, "use_camera_obs": False}
    other = robosuite.make(args["env_name"], **kwargs)
    other.reset()
    other.reset_from_xml_string(xml)  # as robomimic replays a demonstration
    other.sim.set_state_from_flattened(lift.get_state())
    other.sim.forward()
    assert np.abs(other.sim.data.site_xpos - lift._data.site_xpos).max() < 1e-6  # the XML keeps 6 digits of some numbers
    assert np.abs(other.sim.model.geom_size - lift._model.geom_size).max() < 1e-6
