"""Tests of nbs/results/82_side_by_side.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import csv
import io
import re

import pytest

from prism_repro.hashes import config_hash
from prism_repro.paper.experiments import ENCODERS, all_entries
from prism_repro.paper.lines import lines
from prism_repro.results.comparisons import read_table
from prism_repro.results.records import record_path, write_record
from prism_repro.results.sheets import to_csv, to_markdown, to_tex
from prism_repro.results.side_by_side import TITLES, comparison_sheet, findings, glance, headline

ZERO = "0" * 64
NAMES = {"Lift 2V-84": "lift", "Can 2V-84": "can", "Square 2V-84": "square", "ToolHang 1V-84": "square_42", "LIBERO-10 2V-84": "libero_10", "StackCube 2V-84": "stack_cube"}
STAND_INS = {question: dict(task=name.removesuffix("_42"), observations=name) for question, name in NAMES.items()}
STAND_INS["ToolHang 1V-84"]["note"] = "Square at 42 px"


def made_up(root, cell, task, encoder, objective="FM", /, counts=(3, 5), n=8, best=0, suite=(), **config):
    "Write a made-up record: one training seed per count; `best` more successes at an earlier checkpoint; a suite of tasks that all go alike."
    config = dict(task=task, encoder=dict(ENCODERS[encoder], width=16), objective=dict(name=objective, num_steps=10), training={}, seeds=list(range(len(counts))), rollouts={}) | config
    one = lambda k, more: [dict(seed=i, success=i < k, length=4, actions_sha256=ZERO, final_state_sha256=ZERO) | more for i in range(n)]
    episodes = lambda k: [e for i, t in enumerate(suite) for e in one(k + i, dict(task=t))] if suite else one(k, {})
    points = [("last", 0), *([("step_4", best)] if best else [])]
    measurements = [dict(seed=s, checkpoint=c, weights="ema", steps=9, episodes=episodes(k + more)) for s, k in enumerate(counts) for c, more in points]
    record = dict(schema=1, kind="rollouts", profile="lite", cell=cell, config=config, hashes=dict(config=config_hash(config), data=ZERO, code=ZERO), versions={},
                  parameters=dict(dim=64, encoder=1000, policy=2_000_000), measurements=measurements)
    return write_record(record_path(root, "lite", cell), record)


def plan(root, table, objectives=("FM",), **more):
    "Plan a table's entries for all stand-ins, and write a record for each of its cells."
    entries = {}
    for entry in (e for e in all_entries() if e.table == table and e.objective in objectives):
        for task, question in zip(entry.tasks, entry.questions):
            if question in STAND_INS:
                cell = entries.setdefault(entry.place, {})[question] = f"{NAMES[question]}-{entry.encoder.lower()}-{entry.objective.lower()}"
                made_up(root, cell, STAND_INS[question]["task"], entry.encoder, entry.objective, **more)
    return entries


def sheet_of(root, table, entries):
    return comparison_sheet(read_table(root, "lite", table, entries, STAND_INS))


def by_labels(sheet):
    at = sheet.header.index("Task")
    return {tuple(row[:at]) + (row[at],): dict(zip(sheet.header, row)) for row in sheet.rows}


def test_a_line_by_hand(tmp_path):
    entries = plan(tmp_path, "table_4")
    made_up(tmp_path, "square_42-prism-fm", "square", "PRISM", counts=(7, 5), best=1)
    rows = by_labels(sheet_of(tmp_path, "table_4", entries))
    line = rows["FM PRISM", "ToolHang -> square_42 (ours)"]
    assert line["Ours % [95 %]"] == "75.0 [44.9, 91.7]" and line["k/n"] == "12/16" and line["Std (seeds)"] == "17.7 (2)" and line["Best %"] == "87.5"
    assert line["Paper %"] == "14.0±4.0" and line["Against"] == "Base." and line["Gap [95 %]"].startswith("+25.0 [-6.2") and line["Paper's gap"] == "+9.3"
    assert (line["Dim"], line["Encoder"], line["Policy"]) == ("64", "0.00 M", "2.00 M")
    assert rows["FM PRISM", "Lift"]["Best %"] == "-" and rows["FM Base.", "Lift"]["Against"] == rows["FM Base.", "Lift"]["Paper's gap"] == "-"
    average = rows["FM PRISM", "Avg. (4 tasks)"]
    assert average["Ours % [95 %]"].startswith("56.2 [") and average["k/n"] == "36/64" and average["Paper %"] == "72.0" and average["Paper's gap"] == "+4.4"
    assert rows["DP Base.", "Avg. (4 tasks)"]["Ours % [95 %]"] == "not run" and rows["DP Base.", "Avg. (4 tasks)"]["Paper %"] == "67.1 (a)"


def test_shared_episodes_are_counted_once_and_said_so(tmp_path):
    entries = plan(tmp_path, "table_3", counts=(3, 3, 3, 3))
    sheet = sheet_of(tmp_path, "table_3", entries)
    assert any(note == "Training seeds play the same episodes: the 32 results behind a rate come from 8 episodes and are worth 8 independent ones." for note in sheet.notes)
    assert "these networks only" in sheet.caption and "these networks only" not in sheet_of(tmp_path / "empty", "table_3", {}).caption
    assert any("[95 %], of rates and of gaps: these networks only." in note for note in sheet.notes)
    alone = sheet_of(tmp_path, "table_3", plan(tmp_path, "table_3", counts=(3,)))
    assert not any("worth" in note for note in alone.notes)
    cells = [[dict(zip(s.header, row))["Ours % [95 %]"] for row in s.rows] for s in (sheet, alone)]
    assert cells[0] == cells[1], "four seeds that agree know no more than one"
    assert {r["independent_episodes"] for r in csv.DictReader(io.StringIO(to_csv(sheet))) if r["kind"] == "number"} == {"8.0"}
    assert "these networks only" in findings(read_table(tmp_path, "lite", "table_3", entries, STAND_INS))[1]


def test_slips_are_footnoted_and_worked_out_numbers_in_parentheses(tmp_path):
    text = to_markdown(sheet_of(tmp_path, "table_4", {}))
    assert "(a) Table 4, DP Base., Avg.: the average is printed as 67.1; the printed numbers give 68.6." in text and "+3.8 (b)" in text
    text = to_markdown(sheet_of(tmp_path, "table_2", {}))
    assert "-56.3 (a)" in text and "the printed numbers give -57.0" in text and "unknown" in text
    assert "| (+6.6) |" in re.sub(" +", " ", to_markdown(sheet_of(tmp_path, "table_3", {})))


def test_nothing_run_and_half_run(tmp_path):
    for table in TITLES:
        sheet = sheet_of(tmp_path, table, {})
        assert len(sheet.rows) == len(lines(table)) and all("not run" in row for row in sheet.rows) and "nothing was run" in findings(read_table(tmp_path, "lite", table, {}, {}))[0]
    entries = plan(tmp_path, "table_1")
    record_path(tmp_path, "lite", "can-avgpool-fm").unlink()
    rows = by_labels(sheet_of(tmp_path, "table_1", entries))
    assert rows["AvgPool", "standard FM", "3 tasks"]["Ours % [95 %]"] == "not run (Can)" and rows["SSPool", "standard FM", "3 tasks"]["Ours % [95 %]"].startswith("50.0")
    assert rows["AvgPool", "truncated FM", "3 tasks"]["Gap [95 %]"] == "not run" and rows["AvgPool", "standard FM", "3 tasks"]["Gap [95 %]"] == "-"


def test_deleting_a_record_changes_exactly_its_places(tmp_path):
    entries = plan(tmp_path, "table_3")
    before = by_labels(sheet_of(tmp_path, "table_3", entries))
    record_path(tmp_path, "lite", "square_42-ms-sspool-fm").unlink()
    after = by_labels(sheet_of(tmp_path, "table_3", entries))
    changed = [place for place in before if before[place] != after[place]]
    assert [place[0] for place in changed] == ["MS-SSPool"] and after[changed[0]]["Ours % [95 %]"] == "not run" and after[changed[0]]["Paper %"] == "11.3"
    assert not any("not run" in value for line in before.values() for value in line.values())


def test_the_csv_has_every_number(tmp_path):
    entries = plan(tmp_path, "table_6", counts=(2, 4), suite=("libero_10_0", "libero_10_1"))
    sheet = sheet_of(tmp_path, "table_6", entries)
    rows = [r for r in csv.DictReader(io.StringIO(to_csv(sheet))) if (r["row"], r["column"]) == ("PRISM", "LIBERO-10")]
    assert [r["kind"] for r in rows] == ["number", "task", "seed", "seed", "of the suite: libero_10_0", "of the suite: libero_10_1"]
    assert (rows[0]["successes"], rows[0]["episodes"], rows[0]["rate"], rows[0]["gap"], rows[0]["paper_mark"]) == ("14", "32", "0.4375", "0.0", "unknown")
    assert [r["rate"] for r in rows[2:]] == ["0.3125", "0.5625", "0.375", "0.5"] and rows[1]["stand_in"] == "libero_10" and rows[3]["training_seed"] == "1"
    assert any("libero_10-prism-fm, task by task, with intervals in percent: libero_10_1 8/16 [" in note and ", libero_10_0 6/16 [" in note for note in sheet.notes)
    empty = [r for r in csv.DictReader(io.StringIO(to_csv(sheet))) if r["column"] == "LIBERO-Spatial"]
    assert [(r["kind"], r["status"], r["rate"]) for r in empty] == [("number", "not run", ""), ("task", "not run", "")] * 2


def test_notes_warn_first(tmp_path):
    entries = plan(tmp_path, "table_7", counts=(3,))
    made_up(tmp_path, "stack_cube-prism-fm", "stack_cube", "PRISM", counts=(3,), render=dict(fast=False))
    sheet = sheet_of(tmp_path, "table_7", entries)
    assert sheet.notes[0].startswith("**Not comparable**: the records of StackCube 2V-84") and sheet.notes[1].startswith("**One training seed**") and "simulation stand in" in sheet.notes[2]
    assert "StackCube -> stack_cube (simulated)" in to_markdown(sheet) and "nothing for KeyPick 2V-84" in to_markdown(sheet) and "FM (num_steps 10)" in to_markdown(sheet)
    assert any("stand in" in note for note in sheet_of(tmp_path, "table_7", {}).notes)
    assert any("**2 training seeds**: too few for a verdict" in note for note in sheet_of(tmp_path, "table_3", plan(tmp_path, "table_3")).notes)
    assert not any("verdict" in note for note in sheet_of(tmp_path, "table_3", plan(tmp_path, "table_3", counts=(1, 2, 3, 4))).notes)


def test_latex_is_balanced_and_escaped(tmp_path):
    for table in TITLES:
        tex = to_tex(sheet_of(tmp_path, table, plan(tmp_path, table)))
        body = [line for line in tex[tex.index(r"\toprule") : tex.index(r"\bottomrule")].splitlines() if line.endswith(r"\\")]
        columns = re.search(r"\\begin\{tabular\}\{(l+r+)\}", tex)[1]
        assert {line.replace(r"\&", "").count("&") for line in body} == {len(columns) - 1} and len(body) == len(lines(table)) + 1
        plain = tex.replace(r"\{", "").replace(r"\}", "")
        assert plain.count("{") == plain.count("}") and tex.count(r"\begin{") == tex.count(r"\end{") and not re.search(r"(?<!\\)_|(?<!\\)%(?! needs|$)", tex.replace(r"\%", ""), re.M)
        assert not set(tex) - {chr(i) for i in range(32, 127)} - {"\n"}


def test_words_are_computed(tmp_path):
    entries = plan(tmp_path, "table_3", counts=(0, 1))
    made_up(tmp_path, "square_42-ms-sspool-fm", "square", "MS-SSPool", counts=(8, 8))
    told = findings(read_table(tmp_path, "lite", "table_3", entries, STAND_INS))
    assert told[0] == "Table 3, profile lite: 6 of 6 numbers, from 6 records with 96 episodes of last checkpoints; training seeds a record: 2."
    sentence = next(s for s in told if s.startswith("MS-SSPool"))
    assert "100.0 %, +93.8 [" in sentence and "against SSPool; the interval excludes 0. The paper: +6.6." in sentence and "ToolHang -> square_42 (ours)" in sentence
    assert "Of 1 gaps" in told[-2] and "1 have an interval that excludes 0: 1 in the paper's direction" in told[-2]
    view = glance(read_table(tmp_path, "lite", "table_3", entries, STAND_INS))
    assert view.header == ("Head", "ToolHang") and view.rows[-1] == ["MS-SSPool", "100.0 / 11.3"]
    assert "6 of 6" in headline(read_table(tmp_path, "lite", "table_3", entries, STAND_INS))
