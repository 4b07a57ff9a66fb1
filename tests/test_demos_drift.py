"""Tests of nbs/demos/48_drift.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("robosuite")

from prism_repro.demos.collect import collect
from prism_repro.demos.drift import controller_of, drift
from prism_repro.demos.observe import render_observations


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("drift") / "lift.hdf5"
    collect("lift", 3, path, workers=1, progress=False)
    return path


def altered(source, tmp_path, change):
    path = Path(shutil.copy(source, tmp_path / "altered.hdf5"))
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def env_args(change):
    def write(file):
        args = json.loads(file["data"].attrs["env_args"])
        change(args)
        file["data"].attrs["env_args"] = json.dumps(args)
    return write


def arm(args):
    return args["env_kwargs"]["controller_configs"]["body_parts"]["right"]


def longer(file):
    for demo in file["data"].values():
        states = np.hstack([demo["states"][()], np.zeros((len(demo["states"]), 2))])
        del demo["states"]
        demo["states"] = states


def far(file):
    file["data/demo_1/states"][:, 10] += 0.06  # the cube's x: time, 7 joints, 2 fingers, then the cube


ALTERATIONS = {  # name: (what is done to the open file, which check speaks, a piece of what it says)
    "version": (env_args(lambda args: args.update(env_version="1.4.1")), "version", "robosuite 1.4.1 recorded it, and 1.5.2 is installed"),
    "no version": (env_args(lambda args: args.pop("env_version")), "version", "does not say which robosuite"),
    "half as far": (env_args(lambda args: arm(args).update(output_max=[0.025] * 3 + [0.5] * 3)), "controller", "output_max [0.025"),
    "stiffer": (env_args(lambda args: arm(args).update(kp=300)), "controller", "kp [300.0"),
    "absolute": (env_args(lambda args: arm(args).update(input_type="absolute")), "controller", "input_type absolute (here delta)"),
    "joints": (env_args(lambda args: arm(args).update(type="JOINT_POSITION")), "controller", "type JOINT_POSITION"),
    "10 Hz": (env_args(lambda args: args["env_kwargs"].update(control_freq=10)), "controller", "10 Hz (here 20)"),
    "Sawyer": (env_args(lambda args: args["env_kwargs"].update(robots="Sawyer")), "controller", "robots Sawyer"),
    "task": (lambda file: [file["data"].attrs.pop("task"), env_args(lambda args: args.update(env_name="Wipe"))(file)], "task", "'Wipe' is none of lift"),
    "longer state": (longer, "state", "this one has shape (34,)"),
    "where it starts": (far, "start", "it is another task's"),
    "hand": (lambda file: file["data/demo_2/obs/robot0_eef_pos"].__setitem__((slice(None), 2), file["data/demo_2/obs/robot0_eef_pos"][:, 2] + 0.003), "hand", "demo_2: obs/robot0_eef_pos lies 3.0 mm"),
    "reversed": (lambda file: file["data/demo_1/actions"].__setitem__((slice(None), slice(0, 2)), -file["data/demo_1/actions"][:, :2]), "replay", "demo_1: the first 20 actions"),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_a_changed_file_is_found_out(source, tmp_path, name):
    change, check, said = ALTERATIONS[name]
    before = source.read_bytes()
    found = drift(altered(source, tmp_path, change))
    assert [finding.check for finding in found.findings] == [check] and said in found.findings[0].sentence, found
    assert not found.fits and source.read_bytes() == before


def test_a_file_of_the_same_series_with_old_words_and_cubes_of_its_own_fits(source, tmp_path):
    "As robomimic's v1.5 files are said to be: no `task`, 1.5.0, words of 1.4, a cube for each demo, paths of another machine."
    def foreign(file):
        del file["data"].attrs["task"]
        env_args(lambda args: (args.update(env_version="1.5.0"), arm(args).update(damping=1, control_delta=True, input_ref_frame="world"),
                               [arm(args).pop(key) for key in ("damping_ratio", "input_type")]))(file)
        for i, demo in enumerate(file["data"].values()):
            xml = re.sub(r'(cube_g0(?:_vis)?" size=")[^"]*', rf"\g<1>0.021{i} 0.0209 0.0211", demo.attrs["model_file"])
            demo.attrs["model_file"] = xml.replace('"robosuite/', '"/home/ada/robosuite/')
    found = drift(altered(source, tmp_path, foreign))
    assert found.fits and found.task == "lift" and "same series" in found.notes[0], found
    assert found.measured["replayed_hand_mm"] < 0.5


def test_settings_are_compared_by_what_they_do():
    flat = {"type": "OSC_POSE", "damping": 1, "kp": 150, "control_delta": True, "output_max": [0.05] * 3 + [0.5] * 3, "output_min": [-0.05] * 3 + [-0.5] * 3}
    new = {"type": "BASIC", "body_parts": {"arms": {"right": {**flat, "kp": [150] * 6, "input_ref_frame": "base"}}}}
    a, b = (controller_of({"env_kwargs": {"controller_configs": config}}) for config in (flat, new))
    assert a == b and a["kp"] == [150.0] * 6
    assert controller_of({"env_kwargs": {"controller_configs": {**flat, "damping": 2}}}) != a
    assert controller_of({})["type"] is None


@pytest.mark.gl
@pytest.mark.slow
def test_images_of_another_look_are_found_out(source, tmp_path):
    seen = tmp_path / "seen.hdf5"
    render_observations(source, seen, cameras=["agentview"], size=40, workers=1, progress=False)
    assert drift(seen).measured["images_of_255"] == 0
    def swapped(file):
        for demo in file["data"].values():
            demo["obs/agentview_image"][...] = demo["obs/agentview_image"][()][..., ::-1]  # blue, green, red
    found = drift(altered(seen, tmp_path, swapped))
    assert [finding.check for finding in found.findings] == ["images"] and "obs/agentview_image at step 0 differs" in found.findings[0].sentence


def test_a_suite_s_file_is_compared_task_by_task(source, tmp_path):
    path = shutil.copy(source, tmp_path / "suite.hdf5")
    with h5py.File(path, "a") as file:
        file["data"].attrs["task"] = "libero_10"
        for i, name in enumerate(sorted(file["data"])):
            file[f"data/{name}"].attrs["task"] = "libero_10_0" if i else "lift"
        del file["data"][sorted(file["data"])[1]].attrs["model_file"]  # of another task: not looked at
    assert "a suite; check each of its tasks: libero_10_0" in drift(path).findings[0].sentence
    assert drift(path, "lift").fits, drift(path, "lift").findings
    assert [finding.sentence for finding in drift(path, "can").findings] == ["none of its demos is of can: their attribute task says of which they are"]


def test_what_cannot_be_read_gets_a_sentence(tmp_path):
    (tmp_path / "zip.hdf5").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="zip.hdf5: file: expected an HDF5 file"):
        drift(tmp_path / "zip.hdf5")
