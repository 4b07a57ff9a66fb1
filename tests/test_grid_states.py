"""Tests of nbs/grid/67_states.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import copy
import json
from pathlib import Path

import pytest
import yaml

import prism_repro
from prism_repro.grid.states import Cell, cells_of, code_hashes, learned, read_sections, state_of
from prism_repro.hashes import code_hash
from prism_repro.results.records import record_path, write_record
from prism_repro.training.cells import CODE, task_code, work_folder

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


def leave(root, cell: Cell, **hashes) -> Path:
    return write_record(record_path(root, "tiny", cell.name), record_of(cell, **hashes))


def cells(root, *tables) -> list[Cell]:
    return cells_of(root, read_sections(root, "tiny"), tables)


def test_code_is_hashed_as_the_cells_hash_it():
    starts = [(*CODE, *task_code(task)) for task in ("lift_wide", "square", "libero_10")]
    assert code_hashes(starts) == [code_hash(names) for names in starts] and len(set(code_hashes(starts))) == 3


def test_an_edit_is_seen(tmp_path):
    (tmp_path / "prism_repro").mkdir()
    (tmp_path / "prism_repro/__init__.py").write_text("")
    found = []
    for text in ("x = 1", "x = 1  # a comment", "x = 12"):
        (tmp_path / "prism_repro/a.py").write_text(text)
        found += code_hashes([("prism_repro.a",)], tmp_path)
    assert found[0] == found[1] != found[2] and found[2] == code_hash(["prism_repro.a"], tmp_path)


def test_the_hashes_are_those_that_cells_write():
    "Records that the pipeline wrote agree in their configuration with what the profile alone says, without the data."
    root = Path(prism_repro.__file__).parents[1]
    if not (root / "profiles/lite").exists():
        pytest.skip("needs the repository, not an installed wheel")
    for cell in cells_of(root, read_sections(root, "lite")):
        record = json.loads(record_path(root, "lite", cell.name).read_text())
        assert record["hashes"]["config"] == cell.hashes["config"], cell.name


def test_a_record_is_valid_stale_missing_or_damaged(tmp_path):
    root = house(tmp_path)
    own = {cell.name: cell for cell in cells(root)}
    one, two, three = list(own.values())[:3]
    assert state_of(root, "tiny", one) == ("missing", "")
    leave(root, one)
    assert state_of(root, "tiny", one) == ("valid", "data not here, not compared")
    leave(root, two, code="1" * 64)
    assert state_of(root, "tiny", two) == ("stale", "other code")
    path = leave(root, three)
    path.write_text(path.read_text().replace('"length": 7', '"length": "7"', 1))
    state, why = state_of(root, "tiny", three)
    assert state == "damaged" and "length" in why
    house(tmp_path, common=PARAMS["common"] | {"Ta": 2})
    changed = {cell.name: cell for cell in cells(root)}
    assert state_of(root, "tiny", changed[one.name]) == ("stale", "other config") and state_of(root, "tiny", changed[two.name])[1] == "other config and code"


def test_data_are_compared_where_they_are(tmp_path, monkeypatch):
    root = house(tmp_path)
    cell = cells(root)[0]
    leave(root, cell)
    for data, state in ((HASH, ("valid", "")), ("2" * 64, ("stale", "other data"))):
        assert state_of(root, "tiny", Cell(cell.name, (), cell.settings, cell.config, cell.hashes | {"data": data})) == state


def test_what_was_learned_is_not_learned_again(tmp_path):
    root = house(tmp_path)
    cell = cells(root)[0]
    here = Cell(cell.name, cell.tables, cell.settings, cell.config, cell.hashes | {"data": HASH})
    assert learned(here, root) == learned(cell, root) == {0: 0, 1: 0}
    folder = root / work_folder(here.hashes)
    (folder / "seed_0/final").mkdir(parents=True)
    (folder / "seed_1").mkdir()
    (folder / "seed_1/log.jsonl").write_text('{"step": 60}\n{"step": 70}\n')
    assert learned(here, root) == {0: 100, 1: 0}  # no checkpoint yet
    (folder / "seed_1/checkpoint.safetensors").write_text("")
    assert learned(here, root) == {0: 100, 1: 50}  # the log runs ahead of the checkpoint


def test_a_table_may_be_asked_for_alone(tmp_path):
    root = house(tmp_path)
    assert {cell.name for cell in cells(root, "figure_4")} == {f"lift_wide_42-{name}-fm" for name in ("sspool", "ms-sspool", "prism")}
    with pytest.raises(ValueError, match="no table_9; it has table_1"):
        cells(root, "table_9")
    with pytest.raises(ValueError, match="crobo_table_1 is the second paper's.* leave out --for"):
        cells_of(root, read_sections(root, "tiny") | {"crobo_tables": {"crobo_table_1": {}}}, ["crobo_table_1"])
    house(tmp_path, common={key: value for key, value in PARAMS["common"].items() if key != "Tp"})
    with pytest.raises(ValueError, match="says 'Tp'"):
        cells(root)
