"""Tests of nbs/grid/69_ray.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import prism_repro
from prism_repro.grid.ray import cell_stages, commit, outdated, run_profile, task_of

DVC = [sys.executable, "-m", "dvc"]
CELL = """
import json, os, pathlib, sys, time
key, steps, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
work, record = pathlib.Path("work") / key, pathlib.Path(f"results/quick/records/{key}.json")
work.mkdir(parents=True, exist_ok=True)
saved = work / "step"
step = int(saved.read_text()) if saved.exists() else 0
while step < steps:
    time.sleep(pause)
    step += 1
    (work / "tmp").write_text(str(step))
    os.replace(work / "tmp", saved)
    with open(work / "log.jsonl", "a") as log:
        log.write(json.dumps(dict(step=step, process=os.getpid(), node=os.environ.get("RAY_NODE", ""))) + chr(10))
    if key == "broken":
        sys.exit("this cell always fails")
for path in (record, pathlib.Path(f"data/quick/cells/{key}.json")):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(cell=key, data=pathlib.Path("data/quick/a.txt").read_text())))
"""
STAGES = """
stages:
  demonstrations:
    cmd: mkdir -p data/quick && echo ${n} > data/quick/a.txt
    params: [n]
    outs: [data/quick/a.txt]
  cell:
    foreach: ${cells}
    do:
      cmd: python cell.py ${key} ${item.steps} ${item.pause}
      deps: [cell.py, data/quick/a.txt]
      params:
        - cells.${key}
      outs:
        - results/quick/records/${key}.json:
            cache: false
            persist: true
        - data/quick/cells/${key}.json:
            cache: false
  table_1:
    cmd: cat results/quick/records/*.json > table.txt
    deps: [results/quick/records]
    outs:
      - table.txt: {cache: false}
"""


def run(*command, cwd, **more) -> subprocess.CompletedProcess:
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, env=env, **more)


@pytest.fixture
def house(tmp_path):
    "A repository with cheap cells that save checkpoints and go on from them, as training does."
    for name, text in {"cell.py": CELL, "dvc.yaml": STAGES, ".dvcignore": "work\n", ".gitignore": "/work\n/data\n/table.txt\n"}.items():
        (tmp_path / name).write_text(text)
    set_cells(tmp_path, long=(40, 0.25), other=(40, 0.25), short=(2, 0.1))
    run("git", "init", "-q", cwd=tmp_path)
    for command in (["init", "-q"], ["config", "core.analytics", "false"]):
        assert run(*DVC, *command, cwd=tmp_path).returncode == 0
    return tmp_path


def set_cells(root, **cells) -> None:
    text = dict(n=3, cells={key: dict(steps=steps, pause=pause) for key, (steps, pause) in cells.items()})
    (root / "params.yaml").write_text(yaml.safe_dump(text))


def driver(root, *args) -> subprocess.Popen:
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    start = [sys.executable, "-c", "import sys; from prism_repro.cli.ray import main; sys.exit(main(sys.argv[1:]))", "quick", *args]
    return subprocess.Popen(start, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)


def wait_for(what, process, seconds=240.0):
    until = time.monotonic() + seconds
    while not (found := what()):
        assert process.poll() is None, process.communicate()[0]  # the driver has ended: what did it say?
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)
    return found


def steps(root, key) -> list[int]:
    log = root / "work" / key / "log.jsonl"
    return [json.loads(line)["step"] for line in log.read_text().splitlines()] if log.exists() else []


def test_stages_come_from_dvc_and_say_what_must_be_equal(house):
    from dvc.repo import Repo

    repo = Repo(str(house))
    cells, makers = cell_stages(repo, "dvc.yaml")
    assert [s.name for s in cells] == ["cell@long", "cell@other", "cell@short"] and makers == [f"{house}/dvc.yaml:demonstrations"]
    assert len(outdated(repo, cells)) == 3
    assert run(*DVC, "repro", "cell@short", cwd=house).returncode == 0
    assert [s.name for s in outdated(Repo(str(house)), cells)] == ["cell@long", "cell@other"]
    task = task_of(cells[2], house, {})
    assert task["cmd"] == "python cell.py short 2 0.1" and task["wdir"] == "." and set(task["expected"]["files"]) == {"cell.py", "data/quick/a.txt", "params.yaml"}
    assert task["outs"] == ["results/quick/records/short.json", "data/quick/cells/short.json"]


def test_what_ran_with_other_files_is_not_committed(house):
    from dvc.repo import Repo

    assert run(*DVC, "repro", "demonstrations", cwd=house).returncode == 0
    repo = Repo(str(house))
    stage = cell_stages(repo, "dvc.yaml")[0][2]
    task, outs = task_of(stage, house, {}), {out: b"{}" for out in ("results/quick/records/short.json", "data/quick/cells/short.json")}
    (house / "cell.py").write_text(CELL + "# another\n")
    assert "cell.py differs" in commit(repo, stage, task, outs, house, {})
    assert not (house / "results").exists() and "cell@short" not in (house / "dvc.lock").read_text()
    (house / "cell.py").write_text(CELL)
    assert commit(repo, stage, task, outs, house, {}) == "" and (house / "results/quick/records/short.json").read_bytes() == b"{}"
    assert outdated(Repo(str(house)), [stage]) == []


def test_cells_that_feed_cells_are_left_to_dvc(house):
    from dvc.repo import Repo

    text = STAGES.replace("deps: [cell.py, data/quick/a.txt]", "deps: [cell.py, 'results/quick/records/${item.after}']").replace("- cells.${key}", "- n")
    (house / "dvc.yaml").write_text(text)
    (house / "params.yaml").write_text(yaml.safe_dump(dict(n=3, cells=dict(a=dict(steps=1, pause=0, after="none"), b=dict(steps=1, pause=0, after="a.json")))))
    with pytest.raises(ValueError, match="cell@a makes what another cell stage reads"):
        cell_stages(Repo(str(house)), "dvc.yaml")


def test_a_folder_that_is_no_clone_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no dvc.yaml in {tmp_path}. Run it in the root of a clone"):
        run_profile(tmp_path, "dvc.yaml")
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    with pytest.raises(FileNotFoundError, match="DVC does not work there"):
        run_profile(tmp_path, "dvc.yaml")


def copy_package(folder) -> Path:
    shutil.copytree(Path(prism_repro.__file__).parent, folder / "prism_repro", ignore=shutil.ignore_patterns("__pycache__", "assets"))
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    "A Ray cluster of one machine with one CPU, to which tests add machines: real processes, on this machine, with a copy of the package that nobody edits meanwhile."
    pytest.importorskip("ray", reason="Ray is an extra: pip install 'prism_repro[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dict(RAY_USAGE_STATS_ENABLED="0", RAY_raylet_start_wait_time_s="240", PYTHONPATH=str(copy_package(tmp_path_factory.mktemp("package")))).items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args=dict(num_cpus=1, include_dashboard=False, include_log_monitor=False))
        yield made
        made.shutdown()


def workers(root, cell) -> list[int]:
    "Processes of Ray that have attempted a cell, first to last."
    log = root / f"work/ray/cell@{cell}.log"
    return [int(line.split("process ")[1]) for line in log.read_text().splitlines() if line.startswith("==== ")] if log.exists() else []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_killed_machine_and_a_killed_worker(house, cluster):
    """Two machines, three cells. One machine is killed with all its processes; then the worker that took its cell over is killed, too."""
    import psutil

    second = cluster.add_node(num_cpus=1, include_log_monitor=False)
    raylet = psutil.Process(second.all_processes["raylet"][0].process.pid)
    process = driver(house, "--address", cluster.address, "--cpus", "1")
    there = lambda: next((c for c in ("long", "other") if len(steps(house, c)) >= 3 and workers(house, c)[0] in [p.pid for p in raylet.children(recursive=True)]), None)
    cell = wait_for(there, process)
    for p in [raylet, *raylet.children(recursive=True)]:
        p.kill()
    wait_for(lambda: len(workers(house, cell)) == 2, process)
    seen = len(steps(house, cell))
    wait_for(lambda: len(steps(house, cell)) >= seen + 2, process)
    os.kill(workers(house, cell)[1], signal.SIGKILL)
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    assert len(workers(house, cell)) == 3 and steps(house, cell) == list(range(1, 41)), "each step once: it went on, and never two at a time"
    assert "3 cells, 0 up to date: 3 to run" in said and "3 of 3 done" in said
    for key in ("long", "other", "short"):
        assert json.loads((house / f"results/quick/records/{key}.json").read_text()) == dict(cell=key, data="3\n")
    status = run(*DVC, "status", cwd=house)
    assert "up to date" in status.stdout and (house / "table.txt").exists(), status.stdout
    again = driver(house, "--address", cluster.address)
    said = again.communicate(timeout=120)[0]
    assert again.returncode == 0 and "3 cells, 3 up to date" in said and len(workers(house, cell)) == 3


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_failures_refusals_and_ctrl_c(house, cluster, tmp_path_factory):
    """A machine with another package refuses; a cell that always fails is tried twice; Ctrl-C keeps what is done."""
    other = copy_package(tmp_path_factory.mktemp("other"))
    (other / "prism_repro/hashes.py").write_text("# other code\n")
    cluster.add_node(num_cpus=2, include_log_monitor=False, env_vars={"PYTHONPATH": str(other)})

    def said_by(*args):
        process = driver(house, "--address", cluster.address, *args)
        return process.communicate(timeout=240)[0], process.returncode

    said, code = said_by("--cpus", "5")
    assert code == 2 and "No machine of the cluster can give a task 5 CPUs" in said, said
    set_cells(house, broken=(5, 0.1), short=(2, 0.1))
    said, code = said_by("--cpus", "2")  # only the other machine has as many
    assert code == 1 and "refuses cell@broken" in said and "cell@short: every machine refused" in said and "other source" in said, said
    assert not (house / "results").exists() and not (house / "work/ray").exists()
    said, code = said_by("--cpus", "1")
    assert code == 1 and "cell@broken: ended with status 1" in said and "cell@broken: failed twice" in said and "    this cell always fails" in said, said
    assert "1 of 2 done, 1 failed: cell@broken" in said and steps(house, "broken") == [1, 2], "tried twice"
    set_cells(house, long=(400, 0.25), short=(2, 0.1))
    process = driver(house, "--address", cluster.address, "--cpus", "1")
    wait_for(lambda: len(steps(house, "long")) >= 2, process)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 130 and "2 cells, 1 up to date: 1 to run" in said and "Stopped; 0 of 1 done" in said, said
    time.sleep(2)
    count = len(steps(house, "long"))
    time.sleep(1)
    assert len(steps(house, "long")) == count, "nothing runs on"
    lock = (house / "dvc.lock").read_text()
    assert "cell@short" in lock and "cell@long" not in lock and "cell@broken" not in lock
