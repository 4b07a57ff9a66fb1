"""Tests of nbs/demos/43_observe.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import hashlib
import os
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("robosuite")

from prism_repro.data.schema import read_attrs, validate, write_demos
from prism_repro.demos.observe import render_observations, task_of, write_view
from prism_repro.envs.rendering import RenderSettings
from prism_repro.envs.robosuite import RobosuiteEnv

CAMERAS = ("agentview", "robot0_eye_in_hand")
QUICK = dict(cameras=CAMERAS, size=24, progress=False)


def episode(env, seed, steps):
    env.reset(seed)
    states, obs = [], {key: [] for key in env.task.low_dim}
    actions = np.random.default_rng(seed).uniform(-1, 1, (steps, 7))
    for action in actions:
        states.append(env.get_state())
        for key, value in env.low_dim().items():
            obs[key].append(value)
        env.step(action)
    return {"states": np.stack(states), "actions": actions, "obs": {k: np.stack(v) for k, v in obs.items()}, "dones": np.zeros(steps, int),
            "model_file": env.model_xml(), "attrs": {"seed": seed}}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    env = RobosuiteEnv("lift", None)
    attrs = {"env_args": env.env_args(), "task": "lift", "attempts": 4, "expert": {"noise": 0.1}}
    episodes = [episode(env, seed, steps) for seed, steps in enumerate((6, 4, 5))]
    del episodes[1]["obs"]["robot0_eef_pos"]  # to be computed from the states
    return write_demos(tmp_path_factory.mktemp("observe") / "demos.hdf5", episodes, attrs=attrs, valid_fraction=0.3)


def sha(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.gl
@pytest.mark.slow
def test_the_file_does_not_depend_on_the_number_of_workers(source, tmp_path):
    before = sha(source)
    reports = [render_observations(source, tmp_path / f"{n}.hdf5", workers=n, **QUICK) for n in (1, 2)]
    assert sha(tmp_path / "1.hdf5") == sha(tmp_path / "2.hdf5") and sha(source) == before
    assert reports[0]["frames"] == 30 and reports[0]["checked_frames"] >= 2 * 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.hdf5", "2.hdf5"]
    assert validate(tmp_path / "1.hdf5", [f"{c}_image" for c in CAMERAS]) == []
    attrs, old = read_attrs(tmp_path / "1.hdf5"), read_attrs(source)
    assert {k: attrs[k] for k in ("task", "attempts", "expert")} == {k: old[k] for k in ("task", "attempts", "expert")}
    assert attrs["render"] == {"fast": True, "thin": 0.1} and attrs["image_size"] == 24 and attrs["gl"] == reports[0]["gl"]
    assert attrs["env_args"]["env_kwargs"]["camera_heights"] == 24 and attrs["env_args"]["env_name"] == "Lift"
    env = RobosuiteEnv("lift")
    with h5py.File(tmp_path / "1.hdf5") as new, h5py.File(source) as old:
        for split in ("train", "valid"):
            assert np.array_equal(new["mask"][split][()], old["mask"][split][()])
        for name, demo in old["data"].items():
            for key in ("states", "actions", "dones"):
                assert np.array_equal(demo[key][()], new["data"][name][key][()]) and demo[key].dtype == new["data"][name][key].dtype
            assert dict(demo.attrs) == dict(new["data"][name].attrs)
            for step, state in enumerate(demo["states"]):
                env.set_state(state)
                for key, value in env.low_dim().items():
                    assert np.array_equal(new["data"][name]["obs"][key][step], value), (name, key)
                image = new["data"][name]["obs/agentview_image"]
                assert image.shape[1:] == (24, 24, 3) and np.array_equal(image[step], env.render("agentview", 24))
    env.close()


BROKEN_LATER = """
from prism_repro.envs.rendering import Renderer
honest, drawn = Renderer._draw, []

def draw(self, *args):
    drawn.append(1)
    return honest(self, *args) // (5 if len(drawn) > 20 else 1)

Renderer._draw = draw
"""


@pytest.mark.gl
@pytest.mark.slow
def test_wrong_frames_of_a_worker_are_found_and_nothing_is_written(source, tmp_path, monkeypatch):
    "A process whose frames turn dark after 20 draws: too late for the check of young contexts, more than the second opinion draws itself."
    (tmp_path / "sitecustomize.py").write_text(BROKEN_LATER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(RuntimeError, match=r"_image of demo_\d at step \d has mean \d+.\d, but \d+.\d when a fresh process renders it.*nothing was written"):
        render_observations(source, tmp_path / "out" / "o.hdf5", workers=1, **QUICK)
    assert list((tmp_path / "out").iterdir()) == []


def test_other_projects_name_the_task_their_way():
    assert task_of({"task": "lift_wide", "env_args": {"env_name": "Lift"}}) == "lift_wide"
    assert task_of({"env_args": {"env_name": "Lift"}}) == "lift" and task_of({"env_args": {"env_name": "ToolHang"}}) == "tool_hang"
    bowl = "libero/libero/bddl_files/libero_spatial/pick_up_the_black_bowl_on_the_stove_and_place_it_on_the_plate.bddl"
    assert task_of({"env_args": {"env_name": "Libero_Tabletop_Manipulation"}, "bddl_file_name": bowl}).startswith("libero_spatial_")
    assert task_of({"task": "coffee"}) is None and task_of({"env_args": "{"}) is None and task_of({}) is None


def test_a_source_that_cannot_be_rendered_gets_a_sentence(source, tmp_path):
    out = tmp_path / "out.hdf5"
    with pytest.raises(FileNotFoundError, match="no demonstration file .*nowhere.hdf5: collect one"):
        render_observations(tmp_path / "nowhere.hdf5", out, **QUICK)
    with pytest.raises(ValueError, match="the source itself"):
        render_observations(source, source, **QUICK)
    damaged = Path(shutil.copy(source, tmp_path / "damaged.hdf5"))
    with h5py.File(damaged, "a") as file:
        del file["data/demo_1/states"]
    with pytest.raises(ValueError, match=r"1 of its 3 demos have no states \(demo_1\): images are drawn from simulator states"):
        render_observations(damaged, out, **QUICK)
    with h5py.File(damaged, "a") as file:
        file["data"].attrs["task"] = "coffee"
    with pytest.raises(ValueError, match="is of the task 'coffee', and the tasks that can be rendered are lift"):
        render_observations(damaged, out, **QUICK)
    assert not out.exists()


@pytest.mark.parametrize("arguments, message", [
    *[(dict(size=size), f"image size is {size!r}, but it is a whole number of pixels") for size in (24.5, 0, -1, True, "24", None, float("nan"), float("inf"))],
    (dict(cameras=()), "No cameras were given: choose from agentview"), (dict(cameras=None), "No cameras were given"),
    (dict(cameras="agentview"), r"cameras='agentview': expected a list of names, as \['agentview'\]; this task has agentview, robot0"),
    (dict(cameras=["agentview", "agentview"]), "expected each camera's name once"), (dict(cameras=[3]), r"cameras=\(3,\)"),
    *[(dict(workers=workers), f"workers={workers!r}: expected an integer, at least 1") for workers in (0, -1, 1.5, "2", True)],
    (dict(path=""), "is a folder: .*observations.hdf5"), (dict(path="notes/o.hdf5"), "o.hdf5 cannot be written, because .*notes is a file"),
])
def test_bad_arguments_are_refused_before_a_process_is_started(source, tmp_path, monkeypatch, arguments, message):
    def started(*_):
        raise AssertionError("a process was started")

    monkeypatch.setattr("prism_repro.demos.observe.process_pool", started)
    (tmp_path / "notes").write_text("kept")
    with pytest.raises(ValueError, match=message):
        render_observations(source, **QUICK | arguments | dict(path=tmp_path / arguments.get("path", "out.hdf5")))
    with pytest.raises(AssertionError, match="a process was started"):
        render_observations(source, tmp_path / "out.hdf5", **QUICK | dict(size=24.0, workers=np.int64(2)))
    with pytest.raises(ValueError, match="every=0: expected an integer"):
        write_view(source, tmp_path / "out.hdf5", None, cameras=CAMERAS, size=24, render=RenderSettings(), every=0)
    assert os.listdir(tmp_path) == ["notes"]


@pytest.mark.gl
@pytest.mark.slow
def test_each_demo_is_drawn_with_its_own_cube_and_another_camera_is_refused(source, tmp_path):
    other, QUICK = Path(shutil.copy(source, tmp_path / "other.hdf5")), dict(cameras=["agentview"], size=24, progress=False)
    with h5py.File(other, "a") as file:  # as robomimic's own files: a cube for each demo, paths of another machine
        xml = file["data/demo_1"].attrs["model_file"]
        file["data/demo_1"].attrs["model_file"] = re.sub(r'(cube_g0(?:_vis)?" size=")[^"]*', r"\g<1>0.04 0.04 0.04", xml).replace('"robosuite/', '"/home/ada/robosuite/')
        del file["data"].attrs["task"]
    render_observations(other, tmp_path / "out1.hdf5", workers=2, **QUICK)
    render_observations(source, tmp_path / "ours.hdf5", workers=1, **QUICK)
    with h5py.File(tmp_path / "out1.hdf5") as file, h5py.File(tmp_path / "ours.hdf5") as ours:
        key, apart = "obs/agentview_image", []
        for name in ours["data"]:
            apart.append(np.abs(file["data"][name][key][()].astype(int) - ours["data"][name][key][()]).mean())
        assert apart[0] == apart[2] == 0 < 0.3 < apart[1], apart
    with h5py.File(other, "a") as file:
        file["data/demo_1"].attrs["model_file"] = re.sub(r'(<camera name="agentview" pos=")[^ ]*', r"\g<1>0.7", xml)
    with pytest.raises(ValueError, match="other.hdf5: demo_1 cannot be rendered.*camera 'agentview' has pos 0.7.*prism-repro data check"):
        render_observations(other, tmp_path / "out.hdf5", workers=1, **QUICK)
    with pytest.raises(ValueError, match="no camera 'topview'"):
        render_observations(source, tmp_path / "out.hdf5", workers=1, cameras=["topview"], size=24, progress=False)
    assert not (tmp_path / "out.hdf5").exists()


@pytest.mark.gl
@pytest.mark.slow
def test_settings_and_sizes_reach_the_frames(source, tmp_path):
    settings = RenderSettings(fast=False, thin=1.0)
    render_observations(source, tmp_path / "full.hdf5", workers=1, cameras=["robot0_eye_in_hand"], size=40, render=settings, progress=False)
    env = RobosuiteEnv("lift", settings)
    with h5py.File(tmp_path / "full.hdf5") as file:
        env.set_state(file["data/demo_2/states"][3])
        assert np.array_equal(file["data/demo_2/obs/robot0_eye_in_hand_image"][3], env.render("robot0_eye_in_hand", 40))
        assert "agentview_image" not in file["data/demo_2/obs"]
    env.close()
    assert RenderSettings(**read_attrs(tmp_path / "full.hdf5")["render"]) == settings
