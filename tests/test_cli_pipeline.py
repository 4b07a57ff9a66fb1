"""Tests of nbs/cli/98_pipeline.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


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
from prism_repro.grid.cells import SECTIONS
from prism_repro.profiles import read_params

ROOT = Path(prism_repro.__file__).parents[1]
DVC = [sys.executable, "-m", "dvc"]
TINY = dict(
    profile="quick", root=".", params_file="params.yaml", grid_file="grid.json",
    demonstrations=dict(lift=dict(n=3, first_seed=0)),
    observations=dict(lift=dict(demonstrations="lift", cameras=["agentview"], image_size=40, render=dict(fast=True, thin=0.1))),
    common=dict(cameras=["agentview"], crop_size=36, To=2, Tp=8, Ta=4, encoder=dict(name="AvgPool", width=8), objective=dict(name="FM", num_steps=2),
                unet=dict(down_dims=[8, 16], step_embed_dim=8, kernel_size=3, n_groups=4), seeds=[0], rollouts=dict(episodes=2, first_seed=100000, horizon=10),
                train=dict(steps=120, batch_size=16, lr=1e-3, warmup_steps=2, checkpoint_every=10, log_every=2, threads=1)),
    cells={"lift-avgpool-fm": dict(task="lift", observations="lift", encoder=dict(name="AvgPool"))},
    tables=dict(table_1=dict(entries={"AvgPool | standard FM": {"Lift 2V-84": "lift-avgpool-fm"}}, stand_ins={"Lift 2V-84": dict(task="lift", observations="lift")})),
    **dict.fromkeys(("figures", "claims", "baselines", "annotations", "saliency", "keypoints", "probe", "parameters", "latency", "tasks", "model_card", "scenes",
                     "hyperparameters", "paper_figures", "record_figures"), {}))


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    "A copy of the repository with the tiny profile, demonstrated and rendered once."
    if not (ROOT / "dvc.yaml").exists():
        pytest.skip("needs the repository, not an installed wheel")
    root = tmp_path_factory.mktemp("house")
    for name in ("nbs/pipeline", "nbs/results", "prism_repro"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", "data.dvc"):
        shutil.copy(ROOT / name, root / name)
    write_profile(root, TINY)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run([*DVC, "init", "-q", "-f"], cwd=root, check=True)
    done = dvc(root, "repro", "observations@lift")
    assert done.returncode == 0, done.stdout + done.stderr
    return root


def write_profile(root, params) -> None:
    "Write a profile's two files."
    (root / "grid.json").write_text(json.dumps({key: params[key] for key in SECTIONS}))
    (root / "params.yaml").write_text(yaml.safe_dump({key: value for key, value in params.items() if key not in SECTIONS}))


def environment() -> dict:
    return dict(os.environ, PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", PYTHONPATH=str(ROOT))


def dvc(root, *args) -> subprocess.CompletedProcess:
    return subprocess.run([*DVC, *args], cwd=root, capture_output=True, text=True, env=environment())


def ran(done) -> set[str]:
    "Stages that a `dvc repro` really ran."
    return {line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")}


def kill_while_training(root, after_step: int) -> None:
    "Start `dvc repro`, wait until a checkpoint beyond `after_step` exists, then SIGKILL dvc, the launcher, the kernel and the trainer at once."
    run = subprocess.Popen([*DVC, "repro", "cell@lift-avgpool-fm"], cwd=root, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and run.poll() is None:
        logs = list(root.glob("work/*/seed_0/log.jsonl"))
        saved = list(root.glob("work/*/seed_0/checkpoint.safetensors"))
        if saved and logs and any(json.loads(line)["step"] > after_step for line in logs[0].read_text().split("\n")[:-1]):
            break
        time.sleep(0.02)
    assert run.poll() is None, "the run ended before it could be killed"
    for pid in [run.pid, *descendants(run.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    run.wait()


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


@pytest.mark.slow
@pytest.mark.gl
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_repro_goes_on_and_ends_with_the_same_weights(house):
    weights = lambda: next(house.glob("work/*/seed_0/final/model.safetensors")).read_bytes()
    record = house / "results/quick/records/lift-avgpool-fm.json"
    done = dvc(house, "repro", "cell@lift-avgpool-fm")
    assert done.returncode == 0, done.stdout + done.stderr
    untouched, first_record = weights(), record.read_bytes()
    shutil.rmtree(house / "work")
    record.unlink()
    kill_while_training(house, after_step=20)
    assert not record.exists() and not list(house.glob("work/*/seed_0/final"))
    before = next(house.glob("work/*/seed_0/log.jsonl")).read_text().split("\n")[0]
    done = dvc(house, "repro", "cell@lift-avgpool-fm")
    assert done.returncode == 0, done.stdout + done.stderr
    assert next(house.glob("work/*/seed_0/log.jsonl")).read_text().split("\n")[0] == before, "it began anew instead of going on"
    assert weights() == untouched
    assert record.read_bytes() == first_record


@pytest.mark.slow
@pytest.mark.gl
def test_one_parameter_re_runs_what_depends_on_it_and_records_are_adopted(house):
    assert dvc(house, "repro").returncode == 0
    again = dvc(house, "repro")
    assert ran(again) == set() and "up to date" in again.stdout
    params = read_params(house / "params.yaml")
    params["common"]["rollouts"]["episodes"] = 3
    write_profile(house, params)
    assert ran(dvc(house, "repro")) == {"cell@lift-avgpool-fm", "table@table_1"}
    shutil.rmtree(house / "work")  # a clone that has records and no checkpoints
    module = house / "prism_repro/training/loop.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    record = (house / "results/quick/records/lift-avgpool-fm.json").read_bytes()
    assert ran(dvc(house, "repro")) == {"cell@lift-avgpool-fm"}, "the tables' inputs are unchanged"
    assert not list(house.glob("work/*/seed_0")), "the record was adopted, nothing was trained"
    assert (house / "results/quick/records/lift-avgpool-fm.json").read_bytes() == record


@pytest.mark.slow
@pytest.mark.gl
def test_a_failing_cell_fails_the_stage_and_shows_its_error(house):
    params = read_params(house / "params.yaml")
    params["cells"]["lift-typo-fm"] = dict(task="lift", observations="lift", encoder=dict(name="SSPol"))
    write_profile(house, params)
    done = dvc(house, "repro", "cell@lift-typo-fm")
    assert done.returncode != 0
    assert "There is no encoder 'SSPol'" in done.stdout + done.stderr
    assert not (house / "results/quick/records/lift-typo-fm.json").exists()
    del params["cells"]["lift-typo-fm"]
    write_profile(house, params)
