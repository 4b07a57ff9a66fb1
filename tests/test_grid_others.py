"""Tests of nbs/grid/67_others.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from pathlib import Path

import pytest
import yaml

import prism_repro
from prism_repro.grid.others import TAKEN, listed, others_of, others_report
from prism_repro.grid.states import state_of_record

ROOT = Path(prism_repro.__file__).parents[1]
repository = pytest.mark.skipif(not (ROOT / "dvc.yaml").exists(), reason="needs the repository, not an installed wheel")
STAGES = {
    "cell": {"foreach": "${cells}", "do": {"cmd": "cell ${key}", "outs": ["results/${profile}/records/${key}.json"]}},
    "frames": {"foreach": "${frames}", "do": {"cmd": "frames ${key}", "outs": ["data/${profile}/${key}/frames.hdf5"]}},
    "pretrain": {"foreach": "${pretrain}", "do": {"cmd": "pretrain ${key}", "outs": [{"results/${profile}/records/${key}.json": {"cache": False}}, "data/${profile}/pretraining/${key}.json"]}},
    "latency": {"foreach": "${latency}", "do": {"cmd": "latency", "outs": ["results/${profile}/records/${key}.npz", "results/${profile}/records/${key}.json"]}},
}


def house(tmp_path) -> Path:
    params = {"profile": "quick", "cells": {"a": {}}, "frames": {"f": {}}, "pretrain": {name: {} for name in "bcdefg"}, "latency": {"latency": {}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}, sort_keys=False))
    return tmp_path


def test_stages_that_leave_a_record_are_found_with_its_state(tmp_path):
    root = house(tmp_path)
    (root / "results/quick/records").mkdir(parents=True)
    (root / "results/quick/records/c.json").write_text("{")
    found = others_of(root, "quick")
    assert [other.stage.name for other in found] == [*(f"pretrain@{name}" for name in "bcdefg"), "latency@latency"]  # no cell, and no frames
    assert {other.name: other.state for other in found if other.state != "missing"} == {"c": "damaged"} and found[1].note
    text = "\n".join(others_report(found, "quick"))
    assert "0 of 6" in text and "missing: b, d, e, f and 1 more; damaged: c" in text and "missing of pretrain, after" in text and "`make repro PROFILE=quick` (or `dvc repro`)" in text
    (root / "dvc.yaml").unlink()
    assert others_of(root, "quick") == []


@repository
def test_every_section_of_the_second_paper_is_listed_and_real_records_are_read():
    params = yaml.safe_load((ROOT / "profiles/crobo/params.yaml").read_text())
    found = others_of(ROOT, "crobo")
    assert {kind: [other.name for other in found if other.kind == kind] for kind in TAKEN} == {kind: list(params[kind]) for kind in TAKEN}
    assert all(state_of_record(path)[0] == "there" for path in (ROOT / "results/lite/records").glob("c*.json") if ".machine" not in path.name)
    text = "\n".join(others_report(found, "crobo"))
    assert "profiles/crobo/dvc.yaml" in text and listed(["x"]) == "x"
