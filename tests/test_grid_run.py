"""Tests of nbs/grid/67_run.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

import prism_repro
import prism_repro.grid.run as module
from prism_repro.grid.plan import plan
from prism_repro.grid.run import Run, environment, execute, last_words, run
from prism_repro.grid.stages import Stage
from prism_repro.results.records import read_record, record_path, write_machine, write_record

ROOT = Path(prism_repro.__file__).parents[1]
HASH = "0" * 64
PARAMS = {
    "profile": "tiny", "root": "../..", "params_file": "profiles/tiny/params.yaml", "grid_file": "profiles/tiny/grid.json",
    "demonstrations": {"lift_wide": {"n": 3, "first_seed": 0}},
    "observations": {"lift_wide": {"demonstrations": "lift_wide", "cameras": ["agentview"], "image_size": 40, "render": {"fast": True, "thin": 0.1}}},
    "common": {"cameras": ["agentview"], "crop_size": 36, "To": 1, "Tp": 8, "Ta": 4, "seeds": [0], "rollouts": {"episodes": 2, "first_seed": 100000, "horizon": 10},
               "unet": {"down_dims": [8, 16], "step_embed_dim": 8, "kernel_size": 3, "n_groups": 4},
               "train": {"steps": 20, "batch_size": 8, "lr": 0.001, "warmup_steps": 2, "checkpoint_every": 10, "log_every": 2, "threads": 1}},
    "cells": {f"lift_wide-{name.lower()}-fm": {"task": "lift_wide", "observations": "lift_wide", "encoder": {"name": name, "width": 8}, "objective": {"name": "FM", "num_steps": 2}} for name in ("SSPool", "AvgPool", "MaxPool")},
    "tables": {"table_1": {"entries": {"a": {"q": "lift_wide-sspool-fm"}, "b": {"q": "lift_wide-avgpool-fm"}}, "stand_ins": {}}, "table_3": {"entries": {"a": {"q": "lift_wide-avgpool-fm"}}, "stand_ins": {}}},
    "figures": {},
}  # fmt: skip
STAGES = {
    "observations": {"foreach": "${observations}", "do": {"wdir": "${root}", "cmd": "make data ${key}", "outs": ["data/${profile}/${key}/observations.hdf5"]}},
    "cell": {"foreach": "${cells}", "do": {"wdir": "${root}", "cmd": "make cell ${key}", "deps": ["data/${profile}/${item.observations}/observations.hdf5"], "outs": ["results/${profile}/records/${key}.json"]}},
}


def house(tmp_path, **parts) -> Path:
    (tmp_path / "profiles/tiny").mkdir(parents=True)
    (tmp_path / "profiles/tiny/params.yaml").write_text(yaml.safe_dump(copy.deepcopy(PARAMS) | parts))
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    return tmp_path


def leave_record(root, cell) -> None:
    "Write what a cell's stage would leave, with a note that says: 4 CPU-s of training, 3 s of rollouts."
    episodes = [{"seed": s, "success": True, "length": 7, "actions_sha256": HASH, "final_state_sha256": HASH} for s in range(2)]
    record = {"schema": 1, "kind": "rollouts", "profile": "tiny", "cell": cell.name, "config": cell.config, "hashes": cell.hashes | {"data": HASH}, "versions": {},
              "parameters": {"dim": 1, "encoder": 1, "policy": 1}, "measurements": [{"seed": 0, "checkpoint": "last", "weights": "ema", "steps": 20, "episodes": episodes}]}
    path = write_record(record_path(root, "tiny", cell.name), record)
    write_machine(path, 7.0, training_cpu_seconds=4.0, rollouts_seconds=3.0)


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    "Stages that take no time: a cell leaves its record. `ran` lists them; `codes` makes some fail."
    root, ran, codes = house(tmp_path), [], {}
    monkeypatch.setattr("prism_repro.grid.plan.device_name", lambda: "cpu")

    def instead(stage, root, log, seconds=0):
        ran.append(stage.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("Traceback\nValueError: the reason\nThe executed notebook is x.\n")
        if stage.name not in codes and stage.name.startswith("cell@"):
            leave_record(root, next(row.cell for row in plan(root, "tiny").rows if f"cell@{row.cell.name}" == stage.name))
        return codes.get(stage.name, 0)

    monkeypatch.setattr(module, "execute", instead)
    return root, ran, codes


def test_undone_cells_are_run_data_first_and_those_that_decide_most(pretend):
    root, ran, _ = pretend
    lines = []
    assert run(root, "tiny", say=lines.append) == 0
    assert ran == ["observations@lift_wide", "cell@lift_wide-avgpool-fm", "cell@lift_wide-sspool-fm", "cell@lift_wide-maxpool-fm"]
    assert "3 of 3 cells" in lines[0] and len(lines) == 5 and "3 done; 0 cells are left" in lines[-1]
    assert run(root, "tiny", say=lines.append) == 0 and len(ran) == 4 and "nothing was run; 0 cells are left" in lines[-1]
    record_path(root, "tiny", "lift_wide-sspool-fm").unlink()
    assert run(root, "tiny", say=lines.append) == 0 and ran[4:] == ["observations@lift_wide", "cell@lift_wide-sspool-fm"]


@pytest.fixture
def second(pretend, monkeypatch):
    "A profile with stages of the second paper beside the cells, which leave an empty record that counts as sound."
    root, ran, codes = pretend
    monkeypatch.setattr("prism_repro.grid.states.check_record", lambda path, record: None)
    monkeypatch.setattr("prism_repro.grid.states.check_evidence", lambda path, record: None)
    take, record = module.execute, "results/${profile}/records/${key}.json"
    own = {
        "frames": {"foreach": "${frames}", "do": {"wdir": "${root}", "cmd": "make frames", "outs": ["data/${profile}/${key}/frames.hdf5"]}},
        "pretrain": {"foreach": "${pretrain}", "do": {"wdir": "${root}", "cmd": "pretrain", "deps": ["data/${profile}/solids/frames.hdf5"], "outs": [record, "data/${profile}/pretraining/${key}.json"]}},
        "cloning": {"foreach": "${cloning}", "do": {"wdir": "${root}", "cmd": "clone", "deps": ["data/${profile}/pretraining"], "outs": [record]}},
        "token_probe": {"foreach": "${token_probe}", "do": {"wdir": "${root}", "cmd": "probe", "deps": ["results/${profile}/records/lift_wide-maxpool-fm.json"], "outs": [record]}},
        "latency": {"foreach": "${latency}", "do": {"wdir": "${root}", "cmd": "time", "outs": [record]}},
    }
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES | own}, sort_keys=False))
    more = {"frames": {"solids": {}}, "pretrain": {"mae": {}, "crobo": {}}, "cloning": {"cloning-x": {}}, "token_probe": {"probe": {}}, "latency": {"latency": {}}}
    set_params = lambda **parts: (root / "profiles/tiny/params.yaml").write_text(yaml.safe_dump(copy.deepcopy(PARAMS) | more | parts))

    def instead(stage, root, log, seconds=0):
        code = take(stage, root, log, seconds)
        if code == 0 and stage.name not in codes and stage.name.partition("@")[0] in ("pretrain", "cloning", "token_probe"):
            path = root / next(out for out in stage.outs if out.startswith("results/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
        return code

    monkeypatch.setattr(module, "execute", instead)
    set_params()
    return root, ran, codes, set_params


def test_the_second_paper_comes_after_the_cells(second):
    root, ran, *_ = second
    lines = []
    assert run(root, "tiny", say=lines.append) == 0
    assert ran[1:4] == [f"cell@lift_wide-{name}-fm" for name in ("avgpool", "sspool", "maxpool")]
    assert ran[4:] == ["frames@solids", "pretrain@crobo", "pretrain@mae", "cloning@cloning-x", "token_probe@probe"]  # what ran is not run again for the next one
    assert "4 of the 4 records of the second paper" in lines[1] and "after the cells: pretrain 2, cloning 1, token_probe 1." in lines[1]
    assert lines[2] == "Not taken here: latency. `make repro PROFILE=tiny` (or `dvc repro profiles/tiny/dvc.yaml`) makes them."
    assert lines[-1] == "7 done; 0 cells are left; 0 of the second paper's 4 records are left."
    assert run(root, "tiny", say=lines.append) == 0 and len(ran) == 9 and lines[-1].startswith("nothing was run; 0 cells")
    (root / "results/tiny/records/cloning-x.json").unlink()
    assert run(root, "tiny", ["table_3"], say=lines.append) == 0 and len(ran) == 9  # a table wants cells
    assert run(root, "tiny", say=lines.append) == 0 and ran[9:] == ["frames@solids", "pretrain@crobo", "pretrain@mae", "cloning@cloning-x"]


def test_a_profile_without_cells_says_so_and_runs_the_rest(second):
    root, ran, _, set_params = second
    set_params(cells={}, tables={}, token_probe={})
    lines = []
    assert run(root, "tiny", say=lines.append, budget=3600) == 0 and "pretrain@crobo" in ran
    assert "cells" not in lines[0] and "3 of the 3 records of the second paper in profile tiny are to be made in 60 min: pretrain 2, cloning 1" in lines[0]
    assert lines[-1] == "3 done; 0 of the second paper's 3 records are left."


def test_what_needs_a_stage_that_failed_waits(second):
    root, ran, codes, _ = second
    codes["pretrain@crobo"] = 1
    codes["cell@lift_wide-maxpool-fm"] = 1
    lines = []
    assert run(root, "tiny", say=lines.append) == 1 and "pretrain@mae" in ran and not {"cloning@cloning-x", "token_probe@probe"} & set(ran)
    assert "Not started, for pretrain@crobo should be there first: cloning@cloning-x." in lines and "Not started, for cell@lift_wide-maxpool-fm should be there first: token_probe@probe." in lines
    assert lines[-1] == "3 done, 2 failed; 1 cells are left; 3 of the second paper's 4 records are left."


def test_the_second_paper_ends_with_the_time(second):
    root, ran, codes, set_params = second
    set_params(cells={}, tables={})
    codes["pretrain@mae"] = None  # its time was up
    lines = []
    assert run(root, "tiny", say=lines.append) == 0 and any("the time was up in pretrain@mae" in line and "from its last checkpoint" in line for line in lines)
    lines.clear()
    assert run(root, "tiny", say=lines.append, budget=0.0) == 0 and any(line.startswith("Not started, for the time is up: pretrain@mae, ") for line in lines)


def test_a_stage_that_leaves_no_record_has_failed_and_a_damaged_one_is_left_alone(second):
    root, ran, codes, set_params = second
    codes["pretrain@crobo"] = 0  # ends well, and writes nothing
    path = root / "results/tiny/records/mae.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    lines = []
    assert run(root, "tiny", say=lines.append) == 1 and any("pretrain@mae: its record is damaged" in line for line in lines) and path.read_text() == "{"
    assert "pretrain@crobo: it ended well and left no sound results/tiny/records/crobo.json" in lines
    assert "Not started, for pretrain@crobo, pretrain@mae should be there first: cloning@cloning-x." in lines and "cloning@cloning-x" not in ran


def test_only_the_tables_that_are_asked_for(pretend):
    root, ran, _ = pretend
    assert run(root, "tiny", ["table_3"], say=lambda line: None) == 0 and ran == ["observations@lift_wide", "cell@lift_wide-avgpool-fm"]
    with pytest.raises(ValueError, match="table_7"):
        run(root, "tiny", ["table_7"])


def test_nothing_is_started_that_cannot_finish(pretend):
    root, ran, _ = pretend
    leave_record(root, next(row.cell for row in plan(root, "tiny").rows if "sspool" in row.cell.name))  # 4 s + 3 s, so the other two are expected to take as long
    lines = []
    assert run(root, "tiny", budget=1e-3, say=lines.append) == 0 and ran == [] and "nothing was run; 2 cells are left" in lines[-1]
    assert sum("not started, needs about 7 s" in line for line in lines) == 2
    lines.clear()
    assert run(root, "tiny", budget=6.0, say=lines.append) == 0 and ran[1:] == ["cell@lift_wide-avgpool-fm"]  # nothing fits, so the first is begun rather than nothing ever
    assert any("Nothing fits" in line for line in lines) and sum("not started" in line for line in lines) >= 2
    assert run(root, "tiny", budget=1000.0, say=lines.append) == 0 and ran[-1] == "cell@lift_wide-maxpool-fm"


def test_a_failure_is_said_and_the_others_go_on(pretend):
    root, ran, codes = pretend
    codes["cell@lift_wide-avgpool-fm"] = 1
    lines = []
    assert run(root, "tiny", say=lines.append) == 1 and len(ran) == 4
    assert "FAILED in cell@lift_wide-avgpool-fm (exit 1): ValueError: the reason" in lines[1] and "2 done, 1 failed; 1 cells are left" in lines[-1]
    codes["observations@lift_wide"] = 1
    lines.clear()
    assert run(root, "tiny", say=lines.append) == 1 and ran[4:] == ["observations@lift_wide"] and "FAILED in observations@lift_wide" in lines[1]


def test_a_stage_without_a_valid_record_is_not_a_success(pretend):
    root, _, codes = pretend
    codes.update({f"cell@lift_wide-{name}-fm": 0 for name in ("sspool", "avgpool", "maxpool")})  # exit 0, but nothing written
    lines = []
    assert run(root, "tiny", ["table_3"], say=lines.append) == 1 and "not valid" in lines[2]


def test_damaged_records_are_left_alone(pretend):
    root, ran, _ = pretend
    path = record_path(root, "tiny", "lift_wide-avgpool-fm")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    lines = []
    assert run(root, "tiny", say=lines.append) == 1 and "cell@lift_wide-avgpool-fm" not in ran and len(ran) == 3 and path.read_text() == "{"
    assert "damaged" in lines[1]


def test_ctrl_c_says_how_to_go_on(pretend, monkeypatch):
    root, ran, _ = pretend

    def interrupted(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "execute", interrupted)
    lines = []
    assert run(root, "tiny", say=lines.append) == 130 and "goes on where it stopped" in lines[-1] and "3 cells are left" in lines[-1]


@pytest.fixture(params=[signal.default_int_handler, signal.SIG_IGN], ids=["terminal", "background"])
def ctrl_c(request):
    "Ctrl-C as in a terminal, and as in what a script has started with `&`."
    before = signal.signal(signal.SIGINT, request.param)
    yield request.param
    signal.signal(signal.SIGINT, before)


def test_a_stage_is_interrupted_when_its_time_is_up(tmp_path, ctrl_c):
    code = "import time\ntry:\n    print('up', flush=True); time.sleep(3600)\nexcept KeyboardInterrupt:\n    print('interrupted')"
    assert execute(Stage("x", f"{sys.executable} -c \"{code}\"", (), ()), tmp_path, tmp_path / "log", seconds=3) is None
    assert (tmp_path / "log").read_text().split() == ["up", "interrupted"]
    assert signal.getsignal(signal.SIGINT) is ctrl_c


def test_a_stage_that_does_not_listen_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "GRACE", 0.5)
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(3600)"
    started = time.monotonic()
    assert execute(Stage("x", f"{sys.executable} -c '{code}'", (), ()), tmp_path, tmp_path / "log", seconds=2) is None and time.monotonic() - started < 20


@pytest.mark.parametrize("ctrl_c", [signal.default_int_handler], indirect=True)
def test_ctrl_c_ends_the_stage_too(tmp_path, ctrl_c):
    note = tmp_path / "pid"
    stage = Stage("x", f"{sys.executable} -c 'import os, time; open(\"{note}\", \"w\").write(str(os.getpid())); time.sleep(3600)'", (), ())
    threading.Timer(3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        execute(stage, tmp_path, tmp_path / "log", seconds=30)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_the_environment_names_the_package_and_the_back_end(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "work/gl-backend").write_text("osmesa\n")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    assert environment(tmp_path)["MUJOCO_GL"] == "osmesa" and environment(tmp_path)["PYTHONPATH"].startswith(str(ROOT))
    monkeypatch.setenv("MUJOCO_GL", "egl")
    assert environment(tmp_path)["MUJOCO_GL"] == "egl"


@pytest.mark.slow
@pytest.mark.gl
def test_a_real_cell_from_nothing_to_its_record(tmp_path):
    "Demonstrations, observations, training and rollouts in the real simulator, through the pipeline's own commands."
    if not (ROOT / "dvc.yaml").exists():
        pytest.skip("needs the repository, not an installed wheel")
    empty = {name: {} for name in ("baselines", "annotations", "saliency", "keypoints", "probe", "parameters", "latency", "tasks")}
    root = house(tmp_path, **empty, cells={"lift_wide-avgpool-fm": PARAMS["cells"]["lift_wide-avgpool-fm"]}, tables={}, figures={})
    shutil.copytree(ROOT / "nbs/pipeline", root / "nbs/pipeline", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    own = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {name: own[name] for name in ("demonstrations", "observations", "cell")}}, sort_keys=False))
    lines = []
    assert run(root, "tiny", budget=1200, say=lines.append) == 0, lines
    record = read_record(record_path(root, "tiny", "lift_wide-avgpool-fm"))
    assert len(record["measurements"][0]["episodes"]) == 2 and "1 done; 0 cells are left" in lines[-1]
    kinds = {rate["kind"] for rate in json.loads((root / "work/rates.json").read_text())}
    assert kinds == {"demonstrations", "observations"} and plan(root, "tiny").rows[0].state == "valid"


@pytest.mark.slow
@pytest.mark.gl
def test_a_real_pre_training_and_what_is_measured_on_it(tmp_path):
    "Frames, two seeds of a tiny network and its reconstructions, through the pipeline's own commands."
    if not (ROOT / "dvc.yaml").exists():
        pytest.skip("needs the repository, not an installed wheel")
    network = {"image_size": 64, "patch_size": 8, "encoder": {"dim": 32, "depth": 1, "heads": 2}, "decoder": {"dim": 32, "depth": 1, "heads": 2}}
    second = {
        "frames": {"solids": {"source": "solids", "settings": {"setting": "hard", "clips": 20, "length": 6, "size": 64}}},
        "pretrain_common": {"model": network, "train": {"steps": 6, "batch_size": 8, "lr": 0.001, "warmup_steps": 2, "log_every": 2, "checkpoint_every": 3, "threads": 1}, "seeds": [1, 2],
                            "held_out": {"n": 16, "batch_size": 8, "seed": 0}},
        "pretrain": {"crobo": {"frames": "solids", "model": {"method": "CroBo"}}},
        "reconstruction": {"reconstruction-crobo": {"pretraining": "crobo", "frames": {"solids": {}}, "seeds": [1], "samples": {"n": 8, "batch_size": 8, "seed": 0}, "pictures": 1}},
    }  # fmt: skip
    root = house(tmp_path, cells={}, tables={}, figures={}, **second)
    shutil.copytree(ROOT / "nbs/pipeline", root / "nbs/pipeline", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    own = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {name: own[name] for name in ("frames", "pretrain", "reconstruction")}}, sort_keys=False))
    lines = []
    assert run(root, "tiny", budget=1200, say=lines.append) == 0, lines
    assert lines[-1] == "2 done; 0 of the second paper's 2 records are left."
    assert len(read_record(record_path(root, "tiny", "crobo"))["measurements"]) == 2 and read_record(record_path(root, "tiny", "reconstruction-crobo"))["kind"] == "reconstruction"
