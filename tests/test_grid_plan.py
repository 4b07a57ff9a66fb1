"""Tests of nbs/grid/67_plan.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import copy
import os
import time
from pathlib import Path

import pytest
import yaml

from prism_repro.grid.others import Other
from prism_repro.grid.plan import Row, in_order, measure, plan, read_budget, report
from prism_repro.grid.rates import Rate, rollouts_key, training_key
from prism_repro.grid.stages import Stage
from prism_repro.grid.states import Cell, cells_of, read_sections
from prism_repro.results.records import record_path, write_machine, write_record

OBSERVED = {"demonstrations": "lift_wide", "cameras": ["agentview"], "image_size": 40, "render": {"fast": True, "thin": 0.1}}
PARAMS = {
    "profile": "tiny", "root": "../..", "params_file": "profiles/tiny/params.yaml",
    "demonstrations": {"lift_wide": {"n": 3, "first_seed": 0}},
    "observations": {"lift_wide": OBSERVED, "lift_wide_42": OBSERVED | {"image_size": 42}},
    "common": {"cameras": ["agentview"], "crop_size": 36, "To": 1, "Tp": 8, "Ta": 4, "encoder": {"width": 8}, "seeds": [0, 1], "rollouts": {"episodes": 5, "first_seed": 100000, "horizon": 20},
               "unet": {"down_dims": [8, 16], "step_embed_dim": 8, "kernel_size": 3, "n_groups": 4}, "train": {"steps": 100, "batch_size": 4, "warmup_steps": 2, "checkpoint_every": 25, "threads": 1}},
    "grid": {
        "budget": "2 min on 2 cores",
        "settings": {"Lift 2V-84": {"task": "lift_wide", "observations": "lift_wide"}, "ToolHang 1V-84": {"task": "lift_wide", "observations": "lift_wide_42", "note": "ours"}},
        "objectives": {"FM": {"num_steps": 2}},
        "tables": {"table_1": {"encoders": ["SSPool", "AvgPool"]}, "table_3": {}, "table_4": {}, "figure_4": {}},
    },
}  # fmt: skip
HASH = "0" * 64


def house(tmp_path, **parts) -> Path:
    path = tmp_path / "profiles/tiny/params.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(copy.deepcopy(PARAMS) | parts))
    return tmp_path


def record_of(cell: Cell, **hashes) -> dict:
    episodes = [{"seed": s, "success": True, "length": 7, "actions_sha256": HASH, "final_state_sha256": HASH} for s in range(5)]
    measured = [{"seed": s, "checkpoint": "last", "weights": "ema", "steps": 100, "episodes": episodes} for s in (0, 1)]
    return {"schema": 1, "kind": "rollouts", "profile": "tiny", "cell": cell.name, "config": cell.config, "hashes": {**cell.hashes, "data": HASH} | hashes, "versions": {},
            "parameters": {"dim": 1, "encoder": 1, "policy": 1}, "measurements": measured}


def leave(root, cell: Cell, seconds=45.0, cpu=50.0, **hashes) -> Path:
    path = write_record(record_path(root, "tiny", cell.name), record_of(cell, **hashes))
    write_machine(path, seconds, training_cpu_seconds=cpu)
    return path


def cells(root, *tables) -> list[Cell]:
    return cells_of(root, read_sections(root, "tiny"), tables)


def test_costs_follow_from_what_was_measured(tmp_path):
    root = house(tmp_path)
    before = plan(root, "tiny", device="cpu")
    assert all(row.cpu is None for row in before.todo) and "--measure" in report(before, 2) and "cannot be judged" in report(before, 2)
    assert [data.stage for data in before.data] == ["demonstrations@lift_wide", "observations@lift_wide", "observations@lift_wide_42"]
    leave(root, before.rows[0].cell)  # 100 steps x 2 seeds in 50 CPU-s; then 20 s on the cores of this machine
    found = plan(root, "tiny", device="cpu")
    row = next(row for row in found.todo if row.cell.name == "lift_wide-avgpool-fm")
    cores = os.cpu_count()
    assert "1 valid" in report(found) and {row.state for row in found.todo} == {"missing"}
    assert row.training == 50 and row.seeds == (25, 25) and row.source.count("differs in encoder") == 2 and row.rollouts == pytest.approx((45 - 50 / min(2, cores)) * cores)
    assert row.seconds(2) == pytest.approx(25 + row.rollouts / 2) and row.seconds(1) == pytest.approx(50 + row.rollouts) and row.seconds(64) == pytest.approx(25 + row.rollouts / 64)
    assert "Stated budget: 2 min on 2 cores; what is left takes" in report(found, 2) and "MORE" in report(found, 2)
    assert all(row.cpu is None for row in plan(root, "tiny", device="cuda").todo if row.training is None)


def test_what_decides_most_comes_first(tmp_path):
    found = plan(house(tmp_path), "tiny", device="cpu")
    names = [row.cell.name for row in found.todo]
    assert names[0] == "lift_wide_42-sspool-fm" and set(found.todo[0].cell.tables) == {"table_3", "table_4", "figure_4"}
    assert [len(row.cell.tables) for row in found.todo] == sorted((len(row.cell.tables) for row in found.todo), reverse=True) and sorted(names) == sorted(r.cell.name for r in found.rows)
    row = lambda name: Row(Cell(name, ("t", "u") if name == "e" else ("t",), {}, {}, {}), "missing", "")
    sections = {"tables": {"t": {"entries": {"mean": {"q1": "a", "q2": "b"}, "alone": {"q1": "c"}, "twice": {"q1": "d", "q2": "done"}, "more": {"q1": "d"}}}}}
    assert [r.cell.name for r in in_order([row(n) for n in "abcd"], sections)] == ["d", "c", "a", "b"]  # d completes two entries, c one; a and b only together
    sections["tables"]["u"] = {"entries": {"wide": {"q1": "a", "q2": "e", "q3": "b"}}}
    assert [r.cell.name for r in in_order([row(n) for n in "abcde"], sections)][0] == "e"  # two tables want it, though its entry is far from complete
    assert [r.cell.name for r in in_order([], sections)] == []


@pytest.mark.parametrize("text, seconds, cores", [("9m", 540, None), ("2 h on 2 cores", 7200, 2), ("90s", 90, None), ("1.5 hours", 5400, None), ("45 minutes on 1 core", 2700, 1), ("3 days", 259200, None)])
def test_budgets_are_read(text, seconds, cores):
    assert read_budget(text) == (seconds, cores)


@pytest.mark.parametrize("cores", [0, -3])
def test_less_than_one_core_is_refused(tmp_path, cores):
    with pytest.raises(ValueError, match=f"^{cores} cores: at least 1"):
        report(plan(house(tmp_path), "tiny", device="cpu"), cores)
    with pytest.raises(ValueError, match="0 cores: at least 1"):
        read_budget("2 h on 0 cores")


def test_a_profile_without_cells_is_a_sentence_and_no_table(tmp_path):
    root = house(tmp_path, grid={"settings": {}, "objectives": {}, "tables": {}})
    text = report(plan(root, "tiny", device="cpu"), 2)
    assert text.splitlines() == ["Profile tiny on 2 cores", "", "Profile tiny has no cells: it runs nothing of the first paper's tables and figures."]
    other = Other(Stage("cloning@cloning-x", "x", (), ()), "results/tiny/records/cloning-x.json", "missing")
    assert "missing: cloning-x" in report(plan(root, "tiny", device="cpu"), 2, [other]) and "prism-repro run --profile tiny" in report(plan(root, "tiny", device="cpu"), 2, [other])


@pytest.mark.parametrize("text", ["", "soon", "9", "-3m", "3 weeks"])
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(ValueError, match="no stretch of time"):
        read_budget(text)


def test_measured_rates_fill_the_gaps(tmp_path, monkeypatch):
    import prism_repro.grid.rates as rates

    root = house(tmp_path)
    asked = []
    monkeypatch.setattr("prism_repro.grid.plan.device_name", lambda: "cpu")
    monkeypatch.setattr(rates, "measure_rollouts", lambda config: asked.append(config) or Rate("rollouts", rollouts_key(config)[0] | {"device": "cpu"}, rollouts_key(config)[1], 0.01, "measured"))
    monkeypatch.setattr(rates, "measure_training", lambda config, seconds, device: asked.append(config) or Rate("training", training_key(config)[0] | {"device": device}, training_key(config)[1], 0.2, "measured"))
    assert measure(plan(root, "tiny"), root, say=lambda text: None) == len(asked) == 2  # one kind of step, one kind of episode
    found = plan(root, "tiny")
    assert all(row.training == pytest.approx(0.2 * 200) and row.rollouts == pytest.approx(0.01 * 200) for row in found.todo) and "--measure" not in report(found, 2)


def test_two_hundred_and_fifty_cells_take_seconds(tmp_path):
    grown = {f"c{i}": {"task": task, "observations": "lift_wide", "encoder": {"name": "SSPool"}, "objective": {"name": "FM"}} for i, task in zip(range(250), 50 * ["lift", "can", "square", "libero_10", "tool_hang"])}
    root = house(tmp_path, cells=grown, grid={})
    params = {key: value for key, value in PARAMS.items() if key != "grid"} | {"cells": grown}
    (root / "profiles/tiny/params.yaml").write_text(yaml.safe_dump(params))
    for cell in cells(root)[:100]:
        leave(root, cell)
    started = time.process_time()
    found = plan(root, "tiny", device="cpu")
    assert time.process_time() - started < 5 and len(report(found).splitlines()) > 250 and sum(row.state == "valid" for row in found.rows) == 100
