"""Tests of nbs/demos/42_collect.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from prism_repro.data.schema import demo_names, read_attrs, validate
from prism_repro.demos.collect import collect
from prism_repro.files import file_hash


@pytest.mark.slow
def test_same_bytes_whatever_the_number_of_workers(tmp_path):
    reports = [collect("lift", 4, tmp_path / f"{w}.hdf5", first_seed=3, workers=w, progress=False) for w in (1, 2)]
    assert file_hash(tmp_path / "1.hdf5") == file_hash(tmp_path / "2.hdf5")
    assert validate(tmp_path / "1.hdf5") == [] and reports[0]["successes"] == 4
    with h5py.File(tmp_path / "1.hdf5") as file:
        demos = [file["data"][name] for name in demo_names(file)]
        assert [d.attrs["seed"] for d in demos] == sorted(set(range(3, 3 + reports[0]["attempts"])) - set(reports[0]["failed_seeds"]))
        for d in demos:
            assert np.abs(d["actions"]).max() <= 1 and set(d["actions"][:, 6]) == {-1, 1}
            assert d["rewards"][-9:].all() and not d["rewards"][:-9].any() and d["dones"][-1] == 1
            assert set(d["obs"]) == {"robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos"} and "<mujoco" in d.attrs["model_file"]
    attrs = read_attrs(tmp_path / "1.hdf5")
    assert attrs["task"] == "lift" and attrs["env_args"]["env_name"] == "Lift" and attrs["expert"]["noise"] == 0.03


@pytest.mark.slow
def test_failures_are_counted_and_too_many_stop_it(tmp_path):
    report = collect("lift", 2, tmp_path / "noisy.hdf5", noise=0.3, progress=False)
    assert report["attempts"] == 2 + len(report["failed_seeds"]) and report["failed_seeds"]
    with h5py.File(tmp_path / "noisy.hdf5") as file:
        seeds = {int(file["data"][name].attrs["seed"]) for name in file["data"]}
        assert len(seeds) == 2 and not seeds & set(report["failed_seeds"]) and file["data"].attrs["attempts"] == report["attempts"]
    with pytest.raises(RuntimeError, match=r"failed \d+ of the last 20 attempts at lift, on seeds 0, 1,"):
        collect("lift", 20, tmp_path / "hopeless.hdf5", noise=20.0, progress=False)
    assert os.listdir(tmp_path) == ["noisy.hdf5"]


@pytest.mark.parametrize("arguments, message", [
    (("cans", 5), "no task 'cans'.*lift, lift_wide, can"), (("lift", 1), "1 demonstrations"), (("lift", 5, dict(workers=0)), "0 workers"),
    (("lift", 5, dict(noise=-1.0)), "noise -1.0"), (("lift", 5, dict(first_seed=-3)), "seed is -3"), (("lift", 5, dict(noise=float("nan"))), "nan"),
    (("lift", 2.5), "n=2.5: expected an integer, such as 200"), (("lift", "2"), "n='2'"), (("lift", True), "n=True"), (("lift", 5, dict(workers="2")), "workers='2': .* such as 2"),
    (("lift", 5, dict(workers=True)), "workers=True"), (("lift", 5, dict(first_seed=2.5)), "first_seed=2.5: .* such as 0")])
def test_bad_arguments(tmp_path, arguments, message):
    task, n, more = (*arguments, {})[:3]
    with pytest.raises(ValueError, match=message):
        collect(task, n, tmp_path / "x.hdf5", **more)


@pytest.mark.slow
def test_a_suite_is_collected_task_by_task(tmp_path, monkeypatch):
    from prism_repro.envs import tasks

    monkeypatch.setitem(tasks.SUITES, "both", ("lift", "lift_wide"))
    report = collect("both", 2, tmp_path / "both.hdf5", progress=False)
    assert list(report["tasks"]) == ["lift", "lift_wide"] and all(r["successes"] == 2 for r in report["tasks"].values())
    with h5py.File(tmp_path / "both.hdf5") as file:
        assert [file["data"][name].attrs["task"] for name in demo_names(file)] == ["lift", "lift", "lift_wide", "lift_wide"] and file["data"].attrs["task"] == "both"
        alone = collect("lift_wide", 2, tmp_path / "one.hdf5", progress=False)
        with h5py.File(tmp_path / "one.hdf5") as one:
            assert np.array_equal(file["data/demo_2/states"], one["data/demo_0/states"]) and alone["successes"] == 2


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="is a folder.*lift.hdf5"):
        collect("lift", 5, tmp_path)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "notes").write_text("kept")
    for path in (tmp_path / "notes" / "x.hdf5", tmp_path / "notes" / "more" / "x.hdf5"):
        with pytest.raises(ValueError, match="x.hdf5 cannot be written, because .*notes is a file and not a folder"):
            collect("lift", 5, path)


def test_a_script_that_collects_while_it_is_read_is_told_so(tmp_path):
    (tmp_path / "script.py").write_text(f"from prism_repro.demos.collect import collect\ncollect('lift', 2, {str(tmp_path / 'x.hdf5')!r}, workers=1, progress=False)")
    said = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=300)
    assert said.returncode and 'must call collect below `if __name__ == "__main__":`' in said.stderr and "UnboundLocalError" not in said.stderr
    assert os.listdir(tmp_path) == ["script.py"]


SCRIPT = """import signal
from prism_repro.demos.collect import collect
if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit a deaf ear
    collect('lift', 500, {path!r}, workers=2)"""


def children(pid):
    return [int(c) for c in open(f"/proc/{pid}/task/{pid}/children").read().split()]


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=60):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "timed out"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="looks processes up in /proc")
@pytest.mark.parametrize("whom", ["worker", "interrupt", "parent"])
def test_leaves_no_file_and_no_process_when_it_is_stopped(tmp_path, whom):
    path, log = tmp_path / "data" / "x.hdf5", open(tmp_path / "log", "w+")
    process = subprocess.Popen([sys.executable, "-c", SCRIPT.format(path=str(path))], stderr=log)
    wait_for(lambda: os.fstat(log.fileno()).st_size and "attempts=" in open(tmp_path / "log").read())
    workers = children(process.pid)
    victim = [pid for pid in workers if "spawn_main" in open(f"/proc/{pid}/cmdline").read()][-1]
    os.kill(*{"worker": (victim, signal.SIGKILL), "interrupt": (process.pid, signal.SIGINT), "parent": (process.pid, signal.SIGKILL)}[whom])
    assert process.wait(timeout=180) != 0
    wait_for(lambda: not any(alive(pid) for pid in workers), 20)
    assert not path.parent.exists() or not os.listdir(path.parent)
    if whom == "worker":
        assert "RuntimeError: A collecting process died while lift seeds" in open(tmp_path / "log").read()
