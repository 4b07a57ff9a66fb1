"""Tests of nbs/results/82_tables.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from prism_repro.hashes import config_hash
from prism_repro.results.records import RecordError, load_records, record_path, write_record
from prism_repro.results.tables import ENCODERS, read_cells, shown, table_1_rows, tex_escape, to_csv, write_table_1


ZERO = "0" * 64
CELLS = {f"lift_wide-{e.lower()}-fm": dict(task="lift_wide", encoder=e, objective="FM") for e in ENCODERS}


def synthetic(cell, encoder, counts=(3, 5), n=8, profile="quick"):
    "A made-up record: one training seed per count, two checkpoints each."
    def measured(seed, checkpoint, k):
        episodes = [dict(seed=100000 + i, success=i < k, length=40, actions_sha256=ZERO, final_state_sha256=ZERO) for i in range(n)]
        return dict(seed=seed, checkpoint=checkpoint, weights="ema", steps=10, episodes=episodes)

    config = dict(task="lift_wide", encoder={"name": encoder}, objective={"name": "FM"}, training={}, seeds=list(range(len(counts))), rollouts={})
    hashes = dict(config=config_hash(config), data=ZERO, code=ZERO)
    measurements = [measured(s, c, k) for s, last in enumerate(counts) for c, k in (("last", last), ("step_5", last + 1))]
    return dict(schema=1, kind="rollouts", profile=profile, cell=cell, config=config, hashes=hashes, versions={},
                parameters=dict(dim=64, encoder=1000, policy=123456), measurements=measurements)


@pytest.fixture
def repository(tmp_path):
    "A repository with three synthetic records and the parameters that name them."
    for cell, wanted in CELLS.items():
        write_record(record_path(tmp_path, "quick", cell), synthetic(cell, wanted["encoder"]))
    body = "".join(f"  {c}: {{task: {w['task']}, encoder: {{name: {w['encoder']}}}, objective: {{name: FM}}}}\n" for c, w in CELLS.items())
    (tmp_path / "params.yaml").write_text("profile: quick\ncells:\n" + body)
    return tmp_path


def table(root):
    return write_table_1(root, "quick", table_1_rows(CELLS, load_records(root, "quick", CELLS)))


def test_a_deleted_record_changes_exactly_its_row(repository):
    before = [p.read_text() for p in table(repository)]
    record_path(repository, "quick", "lift_wide-avgpool-fm").unlink()
    after = [p.read_text() for p in table(repository)]
    for old, new in zip(before, after):
        changed = [(a, b) for a, b in zip(old.splitlines(), new.splitlines(), strict=True) if a.split() != b.split()]
        assert len(changed) == 1 and "AvgPool" in changed[0][0] and "not run" in changed[0][1] and "not run" not in old
    rows = list(csv.DictReader(io.StringIO(after[1])))
    assert [r["status"] for r in rows] == ["run", "not run", "run"] and rows[1]["rate"] == "" and rows[1]["paper_percent"] == "86.0"


def test_rows_of_different_settings_are_called_not_comparable(repository):
    assert "Not comparable" not in table(repository)[0].read_text()
    path = record_path(repository, "quick", "lift_wide-prism-fm")
    record = synthetic(path.stem, "PRISM")
    record["config"]["training"] = dict(steps=999)
    record["hashes"]["config"] = config_hash(record["config"])
    write_record(path, record)
    assert "**Not comparable**: the rows were run with different settings (training)." in table(repository)[0].read_text()


def test_a_damaged_record_is_an_error_not_a_gap(repository):
    path = record_path(repository, "quick", "lift_wide-prism-fm")
    path.write_text(path.read_text()[:-20])
    with pytest.raises(RecordError, match="lift_wide-prism-fm.json"):
        table(repository)


def test_same_records_same_bytes(repository):
    before = [p.read_bytes() for p in table(repository)]
    shutil.rmtree(repository / "results/quick/tables")
    assert [p.read_bytes() for p in table(repository)] == before


def test_every_rate_has_its_count_and_interval(repository):
    markdown, values, tex = (p.read_text() for p in table(repository))
    for text in (markdown, tex.replace(r"\%", "%")):
        assert "8/16" in text and "50.0 [28.0, 72.0]" in text and "smoke run: proves the machine, not the paper" in text and "quick" in text
    for row in csv.DictReader(io.StringIO(values)):
        assert (row["successes"], row["episodes"], row["training_seeds"]) == ("8", "16", "2")
        assert float(row["low"]) < float(row["rate"]) == 0.5 < float(row["high"])
        assert row["best_successes_optimistic"] == "10"


def test_other_profiles_are_no_smoke_runs(repository):
    text = write_table_1(repository, "lite", table_1_rows(CELLS, {}))[0].read_text()
    assert "Profile lite." in text and "smoke" not in text and text.count("not run") == 3


def test_rows_follow_the_cells():
    lift = {f"lift-{e}": dict(task="lift", encoder={"name": e}, objective={"name": "FM"}) for e in ("PRISM", "SSPool")}
    other = {"lift-dp": dict(task="lift", encoder="SSPool", objective="DP")}
    rows = table_1_rows({**CELLS, **lift, **other}, {})
    assert [(r.task, r.encoder, r.cell is None) for r in rows] == [
        ("lift_wide", "SSPool", False), ("lift_wide", "AvgPool", False), ("lift_wide", "PRISM", False),
        ("lift", "SSPool", False), ("lift", "AvgPool", True), ("lift", "PRISM", False),
    ]
    assert [shown(r)[5] for r in table_1_rows({}, {})] == ["not run"] * 3
    with pytest.raises(ValueError, match="both SSPool on lift under FM"):
        table_1_rows({**lift, "twin": lift["lift-SSPool"]}, {})


def test_latex_is_escaped(repository):
    assert tex_escape(r"50 % of a_b & {c} \ ^~#$") == r"50 \% of a\_b \& \{c\} \textbackslash{} \textasciicircum{}\textasciitilde{}\#\$"
    tex = table(repository)[2].read_text()
    body = tex[tex.index(r"\toprule") : tex.index(r"\bottomrule")].splitlines()
    rows = [line for line in body if line.endswith(r"\\")]
    assert len(rows) == 4 and {line.count("&") for line in rows} == {10} and r"lift\_wide" in rows[1]
    assert tex.count(r"\begin{") == tex.count(r"\end{") == 2 and tex.count("{") - tex.count(r"\{") == tex.count("}") - tex.count(r"\}")


def test_cells_come_from_the_parameters(tmp_path):
    here, there = tmp_path / "params.yaml", tmp_path / "profiles/lite/params.yaml"
    common = "common:\n  objective: {name: FM}\n  encoder: {name: SSPool, width: 16}\n"
    here.write_text("profile: quick\n" + common + "cells:\n  a: {task: lift}\n  b: {task: can, encoder: {name: PRISM}}\n")
    cells = read_cells(tmp_path, "quick")
    assert cells["a"] == dict(task="lift", encoder=dict(name="SSPool", width=16), objective=dict(name="FM"))
    assert cells["b"]["encoder"] == dict(name="PRISM", width=16) and read_cells(tmp_path, "quick", "params.yaml") == cells
    with pytest.raises(ValueError, match="No parameters of profile 'lite'"):
        read_cells(tmp_path, "lite")
    there.parent.mkdir(parents=True)
    there.write_text("profile: lite\n" + common + "cells:\n  c: {task: lift}\n")
    assert list(read_cells(tmp_path, "lite")) == ["c"]
    with pytest.raises(ValueError, match="Name the right file"):
        read_cells(tmp_path, "lite", "params.yaml")
    here.write_text("profile: quick\ncells:\n  a: {task: lift, encoder: SSPool}\n")
    with pytest.raises(ValueError, match="cell a has no objective"):
        read_cells(tmp_path, "quick")
    for text in ("profile: quick\n", "profile: quick\ncells: [a]\n"):
        here.write_text(text)
        with pytest.raises(ValueError, match="`cells` should map"):
            read_cells(tmp_path, "quick")


@pytest.mark.slow
def test_the_lab_book_writes_the_table(repository):
    import papermill

    notebook = Path(__file__).resolve().parents[1] / "nbs/results/table_1.ipynb"
    expected = [p.read_bytes() for p in table(repository)]
    shutil.rmtree(repository / "results/quick/tables")
    papermill.execute_notebook(notebook, repository / "out.ipynb", dict(profile="quick", root=str(repository)), kernel_name="python3", progress_bar=False)
    assert [(repository / f"results/quick/tables/table_1.{k}").read_bytes() for k in ("md", "csv", "tex")] == expected


def test_cells_on_other_images_are_other_tables_business(tmp_path):
    cells = {"a": dict(task="lift", observations="lift", encoder="SSPool"), "b": dict(task="lift", observations="lift_42", encoder="SSPool"), "c": dict(task="lift", encoder="PRISM")}
    (tmp_path / "params.yaml").write_text(json.dumps(dict(profile="quick", common=dict(objective="FM"), cells=cells)))
    assert list(read_cells(tmp_path, "quick")) == ["a", "c"]
