"""Tests of nbs/data/20_schema.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import os
import time

import h5py
import numpy as np
import pytest

from prism_repro.data.schema import demo_names, made_by, open_demos, read_attrs, validate, write_demos
from prism_repro.files import file_hash

ENV_ARGS = {"env_name": "Lift", "type": 1, "env_version": "1.5.2", "env_kwargs": {"control_freq": 20}}


def episodes(lengths=(5, 8, 6), seed=0):
    rng = np.random.default_rng(seed)
    for n in lengths:
        obs = {"agentview_image": rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8), "robot0_eef_pos": rng.normal(size=(n, 3))}
        yield {"actions": rng.uniform(-1, 1, (n, 7)), "states": rng.normal(size=(n, 32)), "obs": obs, "model_file": "<mujoco>" + "x" * 70_000, "attrs": {"seed": n}}


def good(path, **kw):
    return write_demos(path, episodes(), attrs={"env_args": ENV_ARGS, "task": "lift", "render": {"fast": True}, "expert": None}, **kw)


def foreign_file(path, obs=True, masks=True, dtype=np.float64):
    "A file as robomimic's tools leave it: not made by our writer, with gaps in the numbers, extra groups and its own habits."
    rng = np.random.default_rng(1)
    with h5py.File(path, "w", libver="latest", track_order=True) as f:
        data = f.create_group("data")
        data.attrs["env_args"] = json.dumps(ENV_ARGS, indent=4)
        data.attrs["total"] = np.int64(30)
        data.attrs["date"] = "3 11 2020"
        for name, n in (("demo_10", 7), ("demo_2", 11), ("demo_7", 12)):
            g = data.create_group(name)
            g.attrs["num_samples"] = n
            g.attrs["model_file"] = '<?xml version="1.0"?><mujoco/>'
            g.attrs["ep_info"] = "{}"
            g.create_dataset("actions", data=rng.uniform(-1, 1, (n, 7)).astype(dtype))
            g.create_dataset("actions_abs", data=10 * rng.normal(size=(n, 7)))
            g.create_dataset("states", data=rng.normal(size=(n, 32)), chunks=(1, 32), compression="gzip")
            g.create_dataset("interventions", data=np.zeros(n, int))
            g.create_dataset("datagen_info/gripper_action", data=rng.normal(size=(n, 1)))
            g.create_dataset("action_dict/rel_pos", data=rng.normal(size=(n, 3)))
            if obs:
                g.create_dataset("rewards", data=np.zeros(n))
                g.create_dataset("dones", data=np.zeros(n, np.int64))
                for group in ("obs", "next_obs"):
                    g.create_dataset(f"{group}/object", data=rng.normal(size=(n, 10)))
                    g.create_dataset(f"{group}/robot0_eef_pos", data=rng.normal(size=(n, 3)).astype(np.float32))
        if masks:
            f["mask/train"] = np.array(["demo_2", "demo_10"], dtype="S8")
            f["mask/valid"] = np.array(["demo_7"], dtype="S8")
            f["mask/50_demos"] = ["demo_2", "demo_7"]  # variable-length strings
            f["mask/none"] = np.array([])
    return path


@pytest.mark.parametrize("obs", [True, False])
@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_accepts_a_good_file_of_another_writer(tmp_path, obs, masks, dtype):
    path = foreign_file(tmp_path / "low_dim_v15.hdf5", obs, masks, dtype)
    assert validate(path) == []
    with h5py.File(path) as f:
        assert demo_names(f) == ["demo_2", "demo_7", "demo_10"]
        assert demo_names(f, "train") == (["demo_2", "demo_10"] if masks else ["demo_2", "demo_7", "demo_10"])
        assert demo_names(f, "valid") == (["demo_7"] if masks else [])
        with pytest.raises(KeyError, match="no mask 'nope'"):
            demo_names(f, "nope")
    missing = validate(path, obs=["agentview_image"])
    assert [p.where for p in missing] == [f"data/demo_{i}/obs/agentview_image" for i in (2, 7, 10)] and missing == validate(path, obs="agentview_image")


def test_a_file_of_a_real_robot_needs_no_states(tmp_path):
    path = foreign_file(tmp_path / "real.hdf5")
    with h5py.File(path, "r+") as f:
        f["data"].attrs["env_args"] = json.dumps({"env_name": "real", "type": 4})
        for name in f["data"]:
            del f["data"][name]["states"], f["data"][name].attrs["model_file"]
    assert validate(path) == []


def put(f, name, value):
    del f[name]
    f[name] = value


DAMAGE = {  # name: (what is done to the open file, where it is reported, a piece of what is found)
    "no data": (lambda f: f.pop("data"), "data", "['mask']"),
    "no demos": (lambda f: [f["data"].pop(k) for k in list(f["data"])] and f.pop("mask"), "data", "none"),
    "no actions": (lambda f: f["data/demo_0"].pop("actions"), "data/demo_0/actions", "nothing"),
    "no states": (lambda f: f["data/demo_1"].pop("states"), "data/demo_1/states", "nothing"),
    "action group": (lambda f: [f["data/demo_0"].pop("actions"), f.create_group("data/demo_0/actions")], "data/demo_0/actions", "a group"),
    "actions 1-d": (lambda f: put(f, "data/demo_0/actions", np.zeros(5)), "data/demo_0/actions", "shape (5,)"),
    "actions int": (lambda f: put(f, "data/demo_0/actions", np.zeros((5, 7), int)), "data/demo_0/actions", "int64"),
    "actions str": (lambda f: put(f, "data/demo_0/actions", np.full((5, 7), b"x")), "data/demo_0/actions", "dtype |S1"),
    "no steps": (lambda f: put(f, "data/demo_0/actions", np.zeros((0, 7))), "data/demo_0/actions", "0"),
    "other Da": (lambda f: put(f, "data/demo_1/actions", np.zeros((8, 10))), "data/demo_1/actions", "(10,)"),
    "actions large": (lambda f: f["data/demo_0/actions"].__setitem__((4, 6), -1.25), "data/demo_0/actions", "-1.25 at index (4, 6)"),
    "actions nan": (lambda f: f["data/demo_0/actions"].__setitem__((1, 0), np.nan), "data/demo_0/actions", "nan at index (1, 0)"),
    "states inf": (lambda f: f["data/demo_0/states"].__setitem__((0, 0), np.inf), "data/demo_0/states", "inf at index (0, 0)"),
    "states short": (lambda f: put(f, "data/demo_0/states", np.zeros((4, 32))), "data/demo_0/states", "4"),
    "obs short": (lambda f: put(f, "data/demo_0/obs/robot0_eef_pos", np.zeros((4, 3))), "data/demo_0/obs/robot0_eef_pos", "4"),
    "obs nan": (lambda f: f["data/demo_2/obs/robot0_eef_pos"].__setitem__((0, 0), np.nan), "data/demo_2/obs/robot0_eef_pos", "nan"),
    "obs a dataset": (lambda f: put(f, "data/demo_0/obs", np.zeros(3)), "data/demo_0/obs", "a dataset"),
    "image float": (lambda f: put(f, "data/demo_0/obs/agentview_image", np.zeros((5, 4, 4, 3))), "data/demo_0/obs/agentview_image", "float64"),
    "image chw": (lambda f: put(f, "data/demo_0/obs/agentview_image", np.zeros((5, 3, 4, 4), np.uint8)), "data/demo_0/obs/agentview_image", "(5, 3, 4, 4)"),
    "other size": (lambda f: put(f, "data/demo_1/obs/agentview_image", np.zeros((8, 5, 5, 3), np.uint8)), "data/demo_1/obs/agentview_image", "(5, 5, 3)"),
    "dones long": (lambda f: f.__setitem__("data/demo_0/dones", np.zeros(6)), "data/demo_0/dones", "6"),
    "num_samples": (lambda f: f["data/demo_0"].attrs.__setitem__("num_samples", 4), "data/demo_0 attribute num_samples", "4"),
    "no num_samples": (lambda f: f["data/demo_0"].attrs.pop("num_samples"), "data/demo_0 attribute num_samples", "nothing"),
    "no model": (lambda f: f["data/demo_0"].attrs.pop("model_file"), "data/demo_0 attribute model_file", "nothing"),
    "num_samples str": (lambda f: f["data/demo_0"].attrs.__setitem__("num_samples", "many"), "data/demo_0", "ValueError"),
    "total": (lambda f: f["data"].attrs.__setitem__("total", 7), "data attribute total", "7"),
    "no env_args": (lambda f: f["data"].attrs.pop("env_args"), "data attribute env_args", "nothing"),
    "env_args cut": (lambda f: f["data"].attrs.__setitem__("env_args", '{"env_name": "Li'), "data attribute env_args", "Li"),
    "env_args list": (lambda f: f["data"].attrs.__setitem__("env_args", "[1]"), "data attribute env_args", "[1]"),
    "mask name": (lambda f: put(f, "mask/train", np.array([b"demo_77"])), "mask/train", "demo_77"),
    "mask numbers": (lambda f: put(f, "mask/train", np.arange(3)), "mask/train", "int64"),
    "mask a dataset": (lambda f: put(f, "mask", np.arange(3)), "mask", "a dataset"),
    "mask overlap": (lambda f: put(f, "mask/valid", f["mask/train"][()]), "mask", "demo_"),
    "demo a dataset": (lambda f: put(f, "data/demo_1", np.zeros(3)), "data/demo_1", "a dataset"),
    "demo name": (lambda f: f.move("data/demo_1", "data/trial"), "data/trial", "trial"),
    "dangling link": (lambda f: put(f, "data/demo_1/actions", h5py.SoftLink("/nowhere")), "data/demo_1/actions", "nothing"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_names_each_damage(tmp_path, name):
    change, where, found = DAMAGE[name]
    path = good(tmp_path / "lift.hdf5")
    assert validate(path) == []
    with h5py.File(path, "r+") as f:
        change(f)
    problems = validate(path)
    assert any(p.where == where and found in p.found and p.path == str(path) for p in problems), problems
    assert all(str(path) in str(p) and "expected" in str(p) for p in problems)


def test_files_that_are_not_hdf5(tmp_path):
    path = tmp_path / "f.hdf5"
    assert "nothing at this path" in validate(path)[0].found
    assert "a folder" in validate(tmp_path)[0].found
    path.write_bytes(b"")
    assert "empty" in validate(path)[0].found
    path.write_bytes(b"PK\x03\x04 some zip file")
    assert "PK" in validate(path)[0].found
    whole = good(tmp_path / "whole.hdf5").read_bytes()
    for size in (9, 100, 2000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert len(validate(path)) == 1, size


def test_reading_what_is_damaged_names_file_and_place(tmp_path):
    path = good(tmp_path / "whole.hdf5")
    (tmp_path / "foreign.hdf5").write_bytes(b"PK\x03\x04 some zip file")
    (tmp_path / "cut.hdf5").write_bytes(path.read_bytes()[:-1000])
    for name, found in (("foreign", "foreign.hdf5: file: expected an HDF5 file, found another format.*PK"), ("cut", "cut.hdf5: file: expected a readable HDF5 file")):
        with pytest.raises(ValueError, match=found):
            read_attrs(tmp_path / f"{name}.hdf5")
    with pytest.raises(FileNotFoundError, match="no demonstration file .*nowhere.hdf5"):
        read_attrs(tmp_path / "nowhere.hdf5")
    with h5py.File(path, "r+") as f:
        del f["data/demo_1/actions"]
    with pytest.raises(ValueError, match="whole.hdf5: data/demo_1/actions: expected a dataset, found nothing"):
        with open_demos(path) as f:
            [f["data"][name]["actions"][()] for name in demo_names(f)]
    with pytest.raises(ValueError, match="my own"):
        with open_demos(path):
            raise ValueError("my own")
    with pytest.raises(KeyError, match="no mask 'nope'"):
        with open_demos(good(tmp_path / "b.hdf5")) as f:
            demo_names(f, "nope")


def test_a_file_is_known_by_its_recipe(tmp_path):
    path = good(tmp_path / "a.hdf5")
    assert not made_by(path, "r") and not made_by(tmp_path / "none.hdf5", "r")
    with h5py.File(path, "r+") as file:
        file["data"].attrs["recipe"] = "r"
    assert made_by(path, "r") and not made_by(path, "other")
    path.write_bytes(path.read_bytes()[:5000])
    assert not made_by(path, "r")


def test_flipped_bytes_never_raise(tmp_path):
    whole, rng = bytearray(good(tmp_path / "whole.hdf5").read_bytes()), np.random.default_rng(0)
    for _ in range(60):
        copy = bytearray(whole)
        for at in rng.integers(0, min(len(copy), 20_000), 20):
            copy[at] = rng.integers(256)
        (tmp_path / "f.hdf5").write_bytes(copy)
        validate(tmp_path / "f.hdf5")


def test_same_contents_same_bytes(tmp_path):
    a = good(tmp_path / "a.hdf5")
    time.sleep(1.1)  # a stored clock would show
    b = good(tmp_path / "elsewhere" / "b.hdf5")
    assert a.read_bytes() == b.read_bytes() and file_hash(a) == file_hash(b)
    assert file_hash(good(tmp_path / "c.hdf5", valid_fraction=0.7)) != file_hash(a)  # another split
    attrs = read_attrs(a)
    assert attrs["env_args"] == ENV_ARGS and attrs["render"] == {"fast": True} and attrs["expert"] is None and attrs["total"] == 19


def test_states_are_compared_within_a_task(tmp_path):
    a, b, c = episodes()
    wide = {**b, "states": np.zeros((len(b["actions"]), a["states"].shape[1] + 2))}
    tasks = [{**a, "attrs": {"task": "one"}}, {**wide, "attrs": {"task": "two"}}, {**c, "attrs": {"task": "one"}}]
    assert validate(write_demos(tmp_path / "suite.hdf5", tasks, attrs={"env_args": ENV_ARGS})) == []
    tasks[1]["attrs"] = {"task": "one"}
    with pytest.raises(ValueError, match="data/demo_1/states: expected rows of shape .* as in data/demo_0"):
        write_demos(tmp_path / "mixed.hdf5", tasks, attrs={"env_args": ENV_ARGS})


def test_given_names_and_masks_are_kept(tmp_path):
    named = [{**e, "name": n} for e, n in zip(episodes(), ("demo_10", "demo_3", "demo_4"))]
    path = write_demos(tmp_path / "a.hdf5", named, attrs={"env_args": ENV_ARGS}, mask={"train": ["demo_10", "demo_4"], "valid": ["demo_3"]})
    with h5py.File(path) as f:
        assert demo_names(f, "train") == ["demo_4", "demo_10"] and len(f["data/demo_3/actions"]) == 8
        assert f["mask/valid"].dtype.kind == "S" and f["data/demo_3"].attrs["seed"] == 8


def test_nothing_is_left_of_a_write_that_fails(tmp_path):
    path = good(tmp_path / "a.hdf5")
    before = path.read_bytes()

    def failing():
        yield next(episodes())
        raise RuntimeError("the simulator crashed")

    with pytest.raises(RuntimeError, match="crashed"):
        write_demos(path, failing(), attrs={"env_args": ENV_ARGS})
    bad = next(episodes())
    bad["actions"][0, 0] = 3
    with pytest.raises(ValueError, match="was not written.*\n.*a.hdf5: data/demo_0/actions: expected values in"):
        write_demos(path, [bad], attrs={"env_args": ENV_ARGS})
    assert os.listdir(tmp_path) == ["a.hdf5"] and path.read_bytes() == before
