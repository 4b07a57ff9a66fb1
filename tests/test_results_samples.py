"""Tests of nbs/results/89_samples.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import yaml

from prism_repro.paper.claims import Claim, Term, against, all_claims
from prism_repro.results.layouts import RecordError
from prism_repro.results.samples import NotRun, Sampled, assemble, by_unit, cells_of, collect, probe_rows, read_evidence, read_grid, rollouts, saliency_value, stand_ins_of


HARD = ("ToolHang 1V-84",)
CLAIM = Claim("x", "here", "A beats B.", "success", "more", against("MS-SSPool", "SSPool", views="1V-84"), ("ToolHang",))
CELLS = {("ToolHang 1V-84", "MS-SSPool", "FM"): "t-ms-sspool-fm", ("ToolHang 1V-84", "SSPool", "FM"): "t-sspool-fm"}


def made(cell, encoder, wins, first=100000, checkpoints=("last",), objective="FM"):
    episodes = lambda row: [{"seed": first + i, "success": bool(x)} for i, x in enumerate(row)]
    return {"cell": cell, "kind": "rollouts", "config": {"task": "t", "encoder": dict(encoder), "objective": {"name": objective}},
            "measurements": [{"seed": s, "checkpoint": c, "weights": "ema", "episodes": episodes(row)} for s, row in wins.items() for c in checkpoints]}


def two(**more):
    one = made("t-ms-sspool-fm", {"name": "MS-SSPool", "width": 8}, {0: [1, 1, 0], 1: [1, 1, 1], 5: [0, 0, 0]}, **more)
    return {"t-ms-sspool-fm": one, "t-sspool-fm": made("t-sspool-fm", {"name": "SSPool", "width": 8}, {0: [0, 1, 0], 1: [0, 0, 1], 7: [1, 1, 1]})}


def test_only_shared_training_seeds_are_compared():
    found = collect(CLAIM, CELLS, two())
    assert found.seeds == (0, 1) and found.episodes == 3 and found.cells == ("t-ms-sspool-fm", "t-sspool-fm")
    assert [list(block) for blocks in found.samples for block in blocks] == [[1, 0, 0], [1, 1, 0]]


def test_arms_on_other_episodes_are_not_paired():
    found = collect(CLAIM, CELLS, two(first=200000))
    assert not found.paired and [len(blocks) for blocks in found.samples] == [2, 2]
    assert np.isclose(sum(float(b.mean()) for b in found.samples[1]), 2 / 3)


def test_arms_without_a_common_seed_or_with_one_cell_for_two_are_not_run():
    records = two()
    for m in records["t-sspool-fm"]["measurements"]:
        m["seed"] += 20
    with pytest.raises(NotRun, match="share no training seed"):
        collect(CLAIM, CELLS, records)
    with pytest.raises(NotRun, match="the same cell here, t-sspool-fm"):
        collect(CLAIM, dict.fromkeys(CELLS, "t-sspool-fm"), two())
    with pytest.raises(NotRun, match="no cell for ToolHang 1V-84, MS-SSPool, FM"):
        collect(CLAIM, {}, two())


def test_a_missing_record_stops_a_claim_unless_partial():
    claim, cells, records = replace(CLAIM, objectives=("FM", "DP")), dict(CELLS), two()
    cells |= {(q, e, "DP"): c.replace("fm", "dp") for (q, e, _), c in CELLS.items()}
    with pytest.raises(NotRun, match="no record of t-ms-sspool-dp, t-sspool-dp"):
        collect(claim, cells, records)
    found = collect(claim, cells, records, partial=True)
    assert found.cases == ("ToolHang, FM",) and found.left_out == ("ToolHang, DP",)
    with pytest.raises(NotRun, match="no record of"):
        collect(claim, cells, {}, partial=True)
    assert collect(claim, CELLS, records).left_out == ("ToolHang, DP",), "what the profile does not plan is left out and said to be"


def test_a_record_of_something_else_is_refused():
    records = two()
    records["t-sspool-fm"]["config"]["encoder"] = {"name": "AvgPool"}
    with pytest.raises(RecordError, match="config.encoder should be"):
        collect(CLAIM, CELLS, records)
    records["t-sspool-fm"]["config"]["encoder"] = {"name": "SSPool", "stages": 3}
    with pytest.raises(RecordError, match="config.encoder should be"):
        collect(CLAIM, CELLS, records)
    records = two(objective="DP")
    with pytest.raises(RecordError, match="config.objective.name"):
        collect(CLAIM, CELLS, records)


def test_the_peak_is_each_seeds_own_and_needs_a_choice():
    record = made("c", {"name": "SSPool"}, {0: [0, 1, 1]}, checkpoints=("last", "step_5"))
    record["measurements"][1]["episodes"][0]["success"] = True
    assert list(rollouts(record, "max")[0].values()) == [1, 1, 1] and list(rollouts(record, "last")[0].values()) == [0, 1, 1]
    with pytest.raises(NotRun, match="one checkpoint"):
        collect(replace(CLAIM, rule="max"), CELLS, two())


def test_a_suites_tasks_share_episode_seeds():
    record = made("c", {"name": "SSPool"}, {0: [0, 1]})
    episodes = record["measurements"][0]["episodes"]
    record["measurements"][0]["episodes"] = [{**e, "task": task} for task in ("a", "b") for e in episodes]
    assert list(rollouts(record, "last")[0]) == ["a 100000", "a 100001", "b 100000", "b 100001"]


def test_cases_weigh_the_same_and_one_episode_has_its_worth():
    rows = {0: {"a": 1.0, "b": 0.0}}
    found = assemble({"one": [(1.0, rows)], "two": [(1.0, {0: {"a": 1.0}})]}, counted=True)
    assert [list(b) for b in found.samples[0]] == [[0.5, 0.0], [0.5]] and found.resolution == 0.5 and found.episodes == found.values == 3
    assert [list(b) for b in by_unit(found)[0]] == [[0.5, 0.0], [0.5]] and found.levels == ((0.5,), (1.0,)), "the same name in another case is another episode"


def test_questions_about_one_picture_are_one_unit():
    row = {f"{question} block_{i}": float(i) for question in ("colours", "shapes", "pairs") for i in range(4)}
    found = assemble({"token_probe": [(1.0, {0: row, 1: row})], "token_probe-easy": [(1.0, {0: row, 1: row})]}, counted=False)
    assert (found.episodes, found.values) == (8, 24) and [len(b) for b in by_unit(found)[0]] == [4, 4]
    assert np.allclose([b.mean() for b in by_unit(found)[0]], [b.mean() for b in found.samples[0]])


def test_units_stand_in_one_order_for_every_training_seed():
    found = assemble({"x": [(1.0, {0: {"b": 2.0, "a": 1.0}, 1: {"a": 1.0, "b": 2.0}})]}, counted=False)
    assert [list(row[0]) for row in by_unit(found)] == [[1.0, 2.0]] * 2


def test_the_same_initial_states_under_two_objectives_are_drawn_together():
    records, cells = two(), dict(CELLS)
    for (question, encoder, _), cell in CELLS.items():
        cells[question, encoder, "DP"] = name = cell.replace("fm", "dp")
        records[name] = {**deepcopy(records[cell]), "cell": name}
        records[name]["config"]["objective"] = {"name": "DP"}
    found = collect(replace(CLAIM, objectives=("FM", "DP")), cells, records)
    assert (found.episodes, found.values, len(found.cases)) == (3, 6, 2) and [len(b) for b in found.samples[0]] == [3, 3]
    assert [list(b) for b in by_unit(found)[0]] == [[1.0, 0.0, 0.0]] and found.paired


def test_arms_on_other_episodes_stay_blocks_of_their_own():
    found = collect(CLAIM, CELLS, two(first=200000))
    assert [len(b) for b in by_unit(found)[0]] == [3, 3] and np.allclose(found.levels, [[5 / 6, 2 / 6]])
    assert by_unit(Sampled([[np.ones(3)]], (0,), 3, 0.0, ("x",)))[0][0].sum() == 3.0, "without names each number stands for itself"


def saliency_record(seeds=(0, 1)):
    value = dict(entropy=0.5, share_object=0.25, share_gripper=None)
    rows = lambda cell: [{**value, "episode": f"demo_{i}", "share_object": 0.25 + 0.1 * (cell == "t-ms-sspool-fm")} for i in range(3)]
    return {"kind": "saliency", "measurements": [{"cell": c, "seed": s, "camera": k, "weights": "trained", "episodes": rows(c)} for c in CELLS.values() for s in seeds for k in ("front", "hand")]}


def test_saliency_averages_cameras_and_skips_what_was_not_seen():
    claim, record = replace(CLAIM, kind="saliency", measure="share_task"), saliency_record()
    record["measurements"][0]["episodes"][0]["share_object"] = None
    record["measurements"][4]["episodes"][0]["share_object"] = None
    found = collect(claim, CELLS, {"saliency": record})
    assert found.cases == ("ToolHang, FM, front", "ToolHang, FM, hand") and found.resolution == 0.0
    assert np.isclose(sum(b.mean() for b in found.samples[1]), 0.1) and [len(b) for b in found.samples[0]] == [2, 3]
    assert (found.episodes, found.values) == (3, 5) and [len(b) for b in by_unit(found)[0]] == [3], "two cameras, one demonstration"
    assert np.allclose([sum(b.mean() for b in row) for row in by_unit(found)], 0.1)
    assert saliency_value({"share_object": 0.1, "share_gripper": 0.2}, "share_task") == pytest.approx(0.3) and saliency_value({"share_object": None, "share_gripper": None}, "share_task") is None
    with pytest.raises(NotRun, match="no saliency record has all of"):
        collect(claim, CELLS, two())


def probe_record(seeds=(0, 1)):
    cells = {"small-ms": {"encoder": {"name": "MS-SSPool", "width": 16}}, "small-ss": {"encoder": {"name": "SSPool", "width": 16}}, "small-trunc": {"encoder": {"name": "SSPool", "width": 16, "stages": 3}}}
    error = {"small-ms": 4.0, "small-ss": 6.0, "small-trunc": 99.0}
    one = lambda cell, seed: {"cell": cell, "seed": seed, "size": 42, "place": "output", "weights": "trained", "episodes": [{"episode": f"demo_{i}", "errors_mm": [error[cell] + seed, error[cell]]} for i in range(3)]}
    return {"kind": "probe", "config": {"cells": cells, "sizes": {"small": {"image_size": 42}, "large": {"image_size": 84}}}, "measurements": [one(c, s) for c in cells for s in seeds]}


def test_probe_finds_the_encoder_itself_and_not_its_variants():
    claim = Claim("p", "here", "A knows more.", "probe", "less", against("MS-SSPool", "SSPool", views="small"))
    found = collect(claim, {}, {"probe-t": probe_record()})
    assert found.cases == ("probe-t",) and np.allclose([float(b.mean()) for (b,) in found.samples], -2.0)
    assert list(probe_rows(probe_record(), "SSPool", "small", "output")[1].values()) == [6.5] * 3
    with pytest.raises(NotRun, match=r"MS-SSPool \(large, output\)"):
        collect(replace(claim, terms=against("MS-SSPool", "SSPool", views="large")), {}, {"probe-t": probe_record()})


def test_the_grid_is_inverted_and_checked(tmp_path):
    tables = {"table_3": {"entries": {"SSPool | ToolHang": {"ToolHang 1V-84": "a"}}, "stand_ins": {"ToolHang 1V-84": {"task": "square"}}}}
    figures = {"figure_4": {"entries": {"Base. | ToolHang": {"ToolHang 1V-84": "a"}, "Base. at 240 px | ToolHang": {"ToolHang 1V-240": "b"}}}, "figure_5": None, "figure_1": {"entries": None}}
    assert cells_of(tables, figures) == {("ToolHang 1V-84", "SSPool", "FM"): "a", ("ToolHang 1V-240", "SSPool", "FM"): "b"} and list(stand_ins_of(tables, figures)) == list(HARD)
    figures["figure_4"]["entries"]["Base. | ToolHang"] = {"ToolHang 1V-84": "c"}
    with pytest.raises(ValueError, match="is a in one table and c in figure_4"):
        cells_of(tables, figures)
    with pytest.raises(ValueError, match="table_3 has no entry 'Base'"):
        cells_of({"table_3": {"entries": {"Base": {}}}}, {})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"profile": "quick", "tables": tables}))
    assert read_grid(tmp_path, "quick") == (tables, {})
    with pytest.raises(FileNotFoundError, match="no profile 'q'"):
        read_grid(tmp_path, "q")


def test_all_claims_can_be_asked_of_nothing():
    for claim in all_claims():
        if claim.kind in ("success", "saliency", "probe"):
            with pytest.raises(NotRun):
                collect(claim, {}, {})


def test_records_of_another_profile_are_refused(tmp_path):
    assert read_evidence(tmp_path, "p") == {} and deepcopy(CLAIM) == CLAIM and Term(1.0, "SSPool").views == "2V-84"
