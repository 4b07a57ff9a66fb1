"""Tests of nbs/results/82_comparisons.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import math

import pytest

from prism_repro.hashes import config_hash
from prism_repro.paper.experiments import ENCODERS, all_entries
from prism_repro.results.comparisons import beside, check_cell, read_table, unequal_settings
from prism_repro.results.layouts import RecordError
from prism_repro.results.records import record_path, write_record

ZERO = "0" * 64
STAND_INS = {"Lift 2V-84": dict(task="lift", observations="lift"), "Can 2V-84": dict(task="can", observations="can"), "ToolHang 1V-84": dict(task="square", observations="square_42", note="Square at 42 px")}


def made_up(root, cell, task, encoder, objective="FM", /, counts=(3, 5), n=8, **config):
    "Write a made-up record: one training seed per count, one checkpoint."
    config = dict(task=task, encoder=dict(ENCODERS[encoder], width=16), objective=dict(name=objective), training=dict(steps=9), seeds=list(range(len(counts))), rollouts=dict(horizon=9)) | config
    episodes = lambda k: [dict(seed=i, success=i < k, length=4, actions_sha256=ZERO, final_state_sha256=ZERO) for i in range(n)]
    measurements = [dict(seed=s, checkpoint="last", weights="ema", steps=9, episodes=episodes(k)) for s, k in enumerate(counts)]
    record = dict(schema=1, kind="rollouts", profile="lite", cell=cell, config=config, hashes=dict(config=config_hash(config), data=ZERO, code=ZERO), versions={},
                  parameters=dict(dim=64, encoder=1000, policy=9000), measurements=measurements)
    return write_record(record_path(root, "lite", cell), record)


def plan(table, questions=tuple(STAND_INS), objectives=("FM",)):
    "Plan every entry of a table that asks one of the questions."
    name = lambda e, q: f"{STAND_INS[q]['observations']}-{e.encoder.lower()}-{e.objective.lower()}"
    found = {e.place: {q: name(e, q) for q in e.questions if q in questions} for e in all_entries() if e.table == table and e.objective in objectives}
    return {place: cells for place, cells in found.items() if cells}


def fill(root, table, **more):
    "Write a record for every cell of a plan, in turn 1, 2, 3 ... of 16 episodes; return the plan."
    entries, by_place = plan(table, **more), {e.place: e for e in all_entries() if e.table == table}
    cells = {cell: (by_place[place], q) for place, cells in entries.items() for q, cell in cells.items()}
    for i, (cell, (entry, question)) in enumerate(cells.items()):
        made_up(root, cell, STAND_INS[question]["task"], entry.encoder, entry.objective, counts=((i + 2) // 2 % 9, (i + 1) // 2 % 9))
    return entries


def by_place(comparison):
    return {(row.line.row, row.line.column): row for row in comparison.rows}


def test_rates_means_and_gaps_by_hand(tmp_path):
    entries = plan("table_4")
    for cell, counts in {"lift-sspool-fm": (8, 6), "can-sspool-fm": (4, 2), "square_42-sspool-fm": (0, 1), "lift-prism-fm": (8, 8), "can-prism-fm": (5, 5), "square_42-prism-fm": (1, 2)}.items():
        made_up(tmp_path, cell, {"lift": "lift", "can": "can", "square_42": "square"}[cell.split("-")[0]], "PRISM" if "prism" in cell else "SSPool", counts=counts)
    rows = by_place(read_table(tmp_path, "lite", "table_4", entries, STAND_INS))
    assert rows["FM Base.", "Lift"].rate.rate == 14 / 16 and rows["FM PRISM", "Can"].gap.value == 4 / 16
    base, prism = rows["FM Base.", "Avg."], rows["FM PRISM", "Avg."]
    assert math.isclose(base.rate.rate, (14 + 6 + 1) / 48) and base.rate.n == 48 and len(base.planned) == 3 and len(base.parts) == 4
    assert math.isclose(base.rate.std, (8 + 4 - 6 - 2 - 1) / 24 / math.sqrt(2)) and math.isclose(prism.gap.value, (16 + 10 + 3 - 21) / 48)
    assert rows["FM Base.", "Square"].rate is None and rows["DP Base.", "Avg."].rate is None and rows["FM Base.", "Avg."].gap is None


def test_a_mean_over_objectives_needs_all_of_them(tmp_path):
    entries = fill(tmp_path, "table_1", questions=("Lift 2V-84",))
    rows = by_place(read_table(tmp_path, "lite", "table_1", entries, STAND_INS))
    assert rows["SSPool", "standard FM"].rate and rows["SSPool", "standard Avg."].rate is None
    entries = fill(tmp_path, "table_1", questions=("Lift 2V-84",), objectives=("DP", "FM", "MF"))
    rows = by_place(read_table(tmp_path, "lite", "table_1", entries, STAND_INS))
    assert rows["SSPool", "standard Avg."].rate.n == 48
    entries["SSPool | standard DP"] = {"Can 2V-84": "can-sspool-dp"}
    made_up(tmp_path, "can-sspool-dp", "can", "SSPool", "DP")
    rows = by_place(read_table(tmp_path, "lite", "table_1", entries, STAND_INS))
    assert rows["SSPool", "standard DP"].rate and rows["SSPool", "standard Avg."].rate is None  # other tasks


def test_deleting_a_record_takes_exactly_what_it_stood_for(tmp_path):
    for table in ("table_1", "table_2", "table_3", "table_4", "figure_4", "table_width"):
        entries = fill(tmp_path, table)
        made_up(tmp_path, "lift-sspool-fm", "lift", "SSPool")
        made_up(tmp_path, "can-sspool-fm", "can", "SSPool")
        whole = by_place(read_table(tmp_path, "lite", table, entries, STAND_INS))
        for cell in {cell for cells in entries.values() for cell in cells.values()}:
            path = record_path(tmp_path, "lite", cell)
            text = path.read_text()
            path.unlink()
            after = by_place(read_table(tmp_path, "lite", table, entries, STAND_INS))
            path.write_text(text)
            for place, row in whole.items():
                own, other = cell in {p.cell for p in row.parts}, cell in {p.cell for p in row.reference}
                assert (after[place].rate is None) == (row.rate is None or own)
                assert (after[place].gap is None) == (row.gap is None or own or other)
                assert after[place].rate in (None, row.rate)


def test_table_2_is_held_against_the_unshuffled_cells(tmp_path):
    entries = fill(tmp_path, "table_2", questions=("Lift 2V-84",))
    row = by_place(read_table(tmp_path, "lite", "table_2", entries, STAND_INS))["FM", "Avg."]
    assert row.rate and row.gap is None
    made_up(tmp_path, "lift-sspool-fm", "lift", "SSPool", counts=(8, 8))
    row = by_place(read_table(tmp_path, "lite", "table_2", entries, STAND_INS))["FM", "Avg."]
    assert row.base.rate == 1 and row.gap.value == row.rate.rate - 1 < 0


def test_a_wrong_record_is_an_error_not_a_number(tmp_path):
    entries = plan("table_3")
    read = lambda: read_table(tmp_path, "lite", "table_3", entries, STAND_INS)
    for field, wrong in (("config.task", dict(task="can")), ("config.encoder.name", dict(encoder=dict(name="AvgPool"))), ("config.encoder.stages", dict(encoder=dict(name="SSPool", stages=3))),
                         ("config.encoder.shuffle", dict(encoder=dict(name="SSPool", shuffle="per_sample"))), ("config.objective.name", dict(objective=dict(name="DP")))):
        path = made_up(tmp_path, "square_42-sspool-fm", "square", "SSPool", **wrong)
        with pytest.raises(RecordError, match=field):
            read()
    made_up(tmp_path, "square_42-sspool-fm", "square", "SSPool", encoder=dict(name="SSPool", stages=4, shuffle="none", width=16))
    assert by_place(read())["SSPool", "ToolHang"].rate
    record = json.loads(path.read_text())
    with pytest.raises(RecordError, match="profile"):
        check_cell(path, record, "gpu", next(e for e in all_entries() if e.place == "SSPool | ToolHang"), STAND_INS["ToolHang 1V-84"])
    path.write_text(path.read_text()[:-9])
    with pytest.raises(RecordError, match="a JSON object"):
        read()


def test_entries_that_the_table_does_not_have(tmp_path):
    with pytest.raises(ValueError, match="table_3 has no entry 'SSPool'"):
        read_table(tmp_path, "lite", "table_3", {"SSPool": {}}, STAND_INS)
    with pytest.raises(ValueError, match="'Lift 2V-84' should be one of ToolHang 1V-84"):
        read_table(tmp_path, "lite", "table_3", {"SSPool | ToolHang": {"Lift 2V-84": "x"}}, STAND_INS)
    with pytest.raises(ValueError, match="stand-ins for nothing"):
        read_table(tmp_path, "lite", "table_3", {"SSPool | ToolHang": {"ToolHang 1V-84": "x"}}, {})


def test_mixed_settings_are_called_not_comparable(tmp_path):
    entries = fill(tmp_path, "table_4", objectives=("DP", "FM"))
    read = lambda: read_table(tmp_path, "lite", "table_4", entries, STAND_INS).rows
    assert unequal_settings(read()) == []
    made_up(tmp_path, "can-prism-fm", "can", "PRISM", training=dict(steps=10), encoder=dict(name="PRISM", width=32))
    assert unequal_settings(read()) == ["**Not comparable**: the records of Can 2V-84 were run with different settings (encoder.width, training.steps). Run its cells again."]
    made_up(tmp_path, "can-prism-fm", "can", "PRISM", objective=dict(name="FM", num_steps=5))
    assert unequal_settings(read()) == ["**Not comparable**: the records of Can 2V-84 were run with different settings (objective FM). Run its cells again."]
    made_up(tmp_path, "can-prism-fm", "can", "PRISM", training=dict(steps=9, snapshots=[4]), counts=(1, 2, 3))
    assert unequal_settings(read()) == ["The records of Can 2V-84 have different numbers of training seeds (2, 3)."]


def test_what_stands_in_is_named():
    assert beside("table_1", "ToolHang", STAND_INS["ToolHang 1V-84"]) == "ToolHang -> square_42 (ours)"
    assert beside("table_1", "Lift", dict(task="lift", observations="lift", note="a shorter horizon")) == "Lift -> lift (ours)"
    assert beside("table_6", "LIBERO-10", dict(task="libero_10", observations="libero_10")) == beside("table_6", "LIBERO-10", None) == "LIBERO-10"
    assert beside("table_7", "StackCube", dict(task="stack_cube", observations="stack_cube")) == "StackCube -> stack_cube (simulated)"
