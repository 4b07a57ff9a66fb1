"""Tests of nbs/results/91_inventory.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from prism_repro.results.inventory import Verdict, coverage, film_strip, jointly, missing_records, read_claims, reads_records, runs
from prism_repro.results.layouts import RecordError

ROOT = Path(__file__).resolve().parents[1]


def stage(deps, outs):
    return SimpleNamespace(name="s", cmd="", deps=tuple(deps), outs=tuple(outs), params=())


def test_only_stages_that_read_records_and_write_none_are_rebuilt():
    table = ["results/p/tables/t.md"]
    assert reads_records(stage(["nbs/results/t.ipynb", "prism_repro/results", "results/p/records"], table), "p")
    assert reads_records(stage(["nbs/results/table_8.ipynb", "prism_repro/training"], table), "p")  # the values in force
    assert not reads_records(stage(["nbs/pipeline/parameters.ipynb", "prism_repro/policies"], ["results/p/records/parameters.json"]), "p")  # it measures
    assert not reads_records(stage(["nbs/x.ipynb", "results/p/records", "data/p/cells"], table), "p")  # it asks a trained policy


@pytest.mark.parametrize("text, message", [
    ("{", "cannot be read"), ('{"claims": {}}', "has no list `claims`"), ('{"claims": [{"id": "a", "sentence": "b"}]}', "has no verdict"),
    ('{"claims": [{"id": "a", "sentence": "b", "verdict": "true"}]}', "'true', which is none of reproduced"), ('{"claims": ["a"]}', "claim 0 has no id"),
])
def test_a_ledger_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "results/p").mkdir(parents=True)
    (tmp_path / "results/p/claims.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_claims(tmp_path, "p")


def test_numbers_come_in_the_claims_unit_and_half_filled_entries_pass(tmp_path):
    (tmp_path / "results/p").mkdir(parents=True)
    value = {"value": 2.7, "mark": "inferred", "source": "Table 1", "note": "computed", "over": "three tasks"}
    full = {"paper": value, "p": 0.02, "p_holm": 0.04, "same_as": None, "counted": False, "id": "a", "sentence": "s", "verdict": "inconclusive", "where": None, "estimate": -0.1, "factor": 100.0, "unit": "points", "level": 0.9, "interval": [-0.2, 0], "bootstrap": None, "expected": "equal", "ours": True}
    (tmp_path / "results/p/claims.json").write_text(json.dumps({"claims": [full, {"id": "b", "sentence": "t", "verdict": "not run", "estimate": "?", "paper": None, "group": "told"}]}))
    a, b = read_claims(tmp_path, "p")
    assert (a.estimate, a.intervals, a.expects, a.group, a.where) == (-10.0, (("90 % over seeds", -20.0, 0.0),), "equal", "ours", "")
    assert (a.paper, a.paper_mark, a.paper_note, a.paper_over, a.raw_p, a.p, a.same, a.counted) == (2.7, "inferred", "computed", "three tasks", 0.02, 0.04, "", False)
    assert b.estimate is None and b.intervals == () and (b.paper, b.paper_mark, b.raw_p, b.group) == (None, "", None, "told") and b.p is None and read_claims(tmp_path, "q") == read_claims(tmp_path, "p", "crobo_claims") == []


def test_one_family_for_both_papers_can_only_take_verdicts_away():
    said = lambda id, verdict, p, same="": Verdict(id, "", "", verdict, raw_p=p, same=same)
    one = [said("a", "reproduced", 0.02), said("b", "reproduced", 0.02, "a"), said("c", "inconclusive", None), said("d", "not run", None)]
    assert jointly([one]) == (1, []) and jointly([one, [said("e", "contradicted", 0.001), said("f", "inconclusive", 0.5)]]) == (3, [])
    assert jointly([one, [said(f"e{i}", "inconclusive", 0.5) for i in range(2)]]) == (3, ["a", "b"])


def test_real_records_with_costs_and_films(tmp_path):
    shutil.copytree(ROOT / "results/lift", tmp_path / "results/lift")
    (tmp_path / "results/lift/records/saliency-lift.machine.json").unlink()
    found = {run.cell: run for run in runs(tmp_path, "lift")}
    cell = found["lift-sspool-fm"]
    assert cell.episodes == 100 and cell.seconds > 0 and cell.cpu_seconds > 0 and "cores" in cell.machine
    assert found["saliency-lift"].seconds is None and found["saliency-lift"].machine == "unknown machine"
    strip = film_strip(tmp_path, cell)
    assert strip["frames"].shape == (6, 112, 112, 3) and strip["success"] is True and strip["length"] == strip["steps"][-1]
    assert film_strip(tmp_path, found["saliency-lift"]) is None and film_strip(tmp_path, found["parameters"]) is None


def test_a_damaged_record_stops_the_report(tmp_path):
    shutil.copytree(ROOT / "results/lift", tmp_path / "results/lift")
    path = tmp_path / "results/lift/records/lift-sspool-fm.json"
    path.write_text(path.read_text().replace('"success": true', '"success": 1', 1))
    with pytest.raises(RecordError, match="true or false"):
        runs(tmp_path, "lift")


def test_a_deleted_record_is_missing_and_its_numbers_are_not_run(tmp_path):
    made = stage([], ["results/p/records/a.json", "results/p/records/a.npz"])
    made.name = "cell@a"
    (tmp_path / "results/p/records").mkdir(parents=True)
    params = {"grid": {"tables": {}}, "figures": {"figure_4": {"entries": {"Base. | ToolHang": {"ToolHang 1V-84": "a"}}}}}
    measured = lambda: {c.table: c.measured for c in coverage(tmp_path, "p", params)}
    (tmp_path / "results/p/records/a.json").touch()
    assert missing_records(tmp_path, [made]) == {} and sum(measured().values()) == measured()["figure_4"] == 1
    (tmp_path / "results/p/records/a.json").unlink()
    assert missing_records(tmp_path, [made]) == {"cell": ["a"]} and sum(measured().values()) == 0
    assert coverage(tmp_path, "p", {"profile": "p"}) == []
