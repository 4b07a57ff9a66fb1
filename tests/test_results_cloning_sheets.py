"""Tests of nbs/results/92_cloning_sheets.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.results.cloning import MIN_EPISODES, conditions, figure_cloning, plays, scores, summarise
from prism_repro.results.cloning_sheets import TASKS, ablation_sheet, cloning_sheet, mean_of
from prism_repro.results.sheets import to_csv, to_markdown, to_tex


def record(values, task="light_on", horizon=60, account=None):
    "A record from backbone -> training seed -> checkpoint -> scores of its episodes."
    found = [dict(backbone=b, pretraining=p, camera="left_cap2", seed=0, checkpoint=c, steps=1, score=float(np.mean(x)), episodes=[dict(seed=i, score=float(y), length=1, actions_sha256="0" * 64) for i, y in enumerate(x)])
             for b, seeds in values.items() for p, points in seeds.items() for c, x in points.items()]
    recipe = dict(history=1, low_dim=[], hidden=[8], activation="tanh", last_layer=1.0, lr=1e-3, batch_size=32, steps=10, epochs=None, evaluations=1)
    config = dict(task=task, accounts={b: (account or {"method": "CroBo"}) for b in values}, cameras=["left_cap2"], image_size=64, seeds=[0], recipe=recipe, rollouts=dict(horizon=horizon, episodes=2))
    return dict(kind="cloning", cell="c", config=config, measurements=found,
                expert=dict(demonstrations=5, tries=6, horizon=60, mean_length=3.0, score=83.3, seeds=[0, 5]))


@pytest.mark.parametrize("task", ["light_on", "finger_spin"])
@pytest.mark.parametrize("seeds", [1, 4])
def test_few_episodes_bear_no_interval_and_neither_do_returns_that_are_all_alike(task, seeds):
    draw = lambda n, x: summarise(record({"a": {k: {"last": (x * n)[:n]} for k in range(seeds)}}, task), "a")
    few, enough = draw(MIN_EPISODES - 1, [0, 100, 40]), draw(MIN_EPISODES, [0, 100, 40])
    assert np.isnan(few.low) and np.isnan(few.high)
    assert seeds == 4 and task == "finger_spin" or enough.low < enough.value < enough.high
    assert task == "light_on" or np.isnan(draw(MIN_EPISODES, [0]).low), "an interval without width is none"
    row = cloning_sheet("p", [record({"a": {0: {"last": [0.0, 49.5, 43.0]}}}, "finger_spin", 500)]).rows[-2:]
    assert any("30.8, 1 x 3*" in cell for cells in row for cell in cells)


def test_every_cell_has_its_n_and_a_star_where_there_is_one_network():
    r = record({"one": {0: {"last": [0, 100] * 5}}, "two": {0: {"last": [0, 100] * 5}, 1: {"last": [100, 100] * 5}}})
    cells = {row[1].split(", ")[1]: row[3] for row in cloning_sheet("p", [r]).rows if row[1].startswith("ours, ")}
    assert cells["one"].startswith("50.0 [") and cells["one"].endswith("], 1 x 10*") and cells["two"].startswith("75.0 [") and cells["two"].endswith("], 2 x 10")
    text = to_markdown(cloning_sheet("p", [r]))
    assert "runs x episodes" in text and "over training seeds (2 training seeds: Light on)" in text and "A star marks one network of its method, these nets only" in text
    alone = to_markdown(cloning_sheet("p", [record({"two": {0: {"last": [0, 100] * 5}, 1: {"last": [100, 100] * 5}}})]))
    assert "A star" not in alone and ",1,10,60," in to_csv(cloning_sheet("p", [r]))
    labels = [t.get_text() for t in figure_cloning("p", [r]).axes[0].get_xticklabels()]
    assert labels[1] == "Light on\n60 steps\nexpert 83\n1 x 10*, 2 x 10"


def test_no_mean_over_tasks_under_different_conditions():
    runs = {k: {"last": [0, 100] * 5 if k else [100] * 10} for k in range(2)}
    same = [record({"a": runs}, task, 50) for task in TASKS]
    value, low, high = 75.0, 0, 100
    assert mean_of(scores(same), TASKS) == f"{value} [{low}, {high}]"
    for changed in (record({"a": runs}, TASKS[-1], 80), record({"a": {0: runs[0]}}, TASKS[-1], 50), record({"a": {k: {"last": x["last"] * 2} for k, x in runs.items()}}, TASKS[-1], 50)):
        assert mean_of(scores([*same[:-1], changed]), TASKS) == "-"
    sheet = cloning_sheet("p", [*same[:-1], record({"a": runs}, TASKS[-1], 80)])
    assert [row[-1] for row in sheet.rows if row[1] == "ours, a, last"] == ["-"] and "No mean over the kitchen where tasks differ in their conditions: a (horizon 50, 80)." in sheet.notes
    assert mean_of(scores([record({"a": {0: runs[0]}}, task, 50) for task in TASKS]), TASKS) == "100.0*" and mean_of(scores(same[1:]), TASKS) == "not run"
    wide = [record({"a": {k: {"last": [100] * (8 + k) + [0] * (2 - k)} for k in range(3)}}, task, 50) for task in TASKS]
    assert mean_of(scores(wide), TASKS) == "90.0 [65, 100]"


def test_departures_from_the_protocol_stand_under_the_tables():
    r = record({"a": {0: {"last": [0, 100]}}})
    for sheet in (cloning_sheet("p", [r]), ablation_sheet("p", [r])):
        assert any(note.startswith("Light on: not by the protocol: demonstrations 5 (protocol: 25)") and "proprioception 0 (protocol: 9)" in note for note in sheet.notes), sheet.name
    assert not any("protocol:" in note for note in ablation_sheet("p", [record({"b": {0: {"last": [0]}}}, account={"method": "MAE"})]).notes)


def test_no_number_of_the_kitchen_without_horizon_and_expert():
    r = record({"a": {0: {"last": [0, 100]}}})
    assert conditions(summarise(r, "a")) == "Light on: horizon 60 (the protocol: 50), 5 demonstrations; its expert succeeds in 83 % of 6 tries within 60 steps"
    for sheet in (cloning_sheet("p", [r]), ablation_sheet("p", [r])):
        assert "horizon 60" in to_markdown(sheet) and ",60," in to_csv(sheet) and "horizon 60" in to_tex(sheet)


def test_what_has_no_record_is_not_run():
    empty = cloning_sheet("p", [])
    assert sum("not run" in row for row in empty.rows) == 8 and len(empty.rows) == 16
    assert sum("not run" in row for row in ablation_sheet("p", []).rows) == 6
    r = record({"a": {0: {"last": [0, 100]}}})
    row = next(row for row in cloning_sheet("p", [r]).rows if row[1] == "ours, a, last")
    assert row[3] == "50.0, 1 x 2*" and row[2] == "not run" and row[-1] == "not run"
    assert mean_of(scores([r]), ["light_on"]) == "50.0*"


def test_another_mask_is_a_row_of_the_ablations_alone():
    r = record({"a": {0: {"last": [0, 100]}}}, account={"method": "CroBo", "mask_ratio": 0.95, "pair": "crop"})
    assert not any("ours, a" in row[1] for row in cloning_sheet("p", [r]).rows)
    assert next(row for row in ablation_sheet("p", [r]).rows if "ours, a" in row[1])[0] == "mask 95 %"
    assert not plays({"method": "ToBo", "pair": "time"}, "CroBo")
