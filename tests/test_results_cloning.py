"""Tests of nbs/results/92_cloning.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.results.cloning import NETS, ablation_sheet, chosen, cloning_sheet, conditions, figure_cloning, mean_of, plays, scores, success_interval, summarise
from prism_repro.results.figures import figure_bytes
from prism_repro.results.sheets import to_csv, to_markdown, to_tex


def record(values, task="light_on", horizon=60, account=None):
    "A record from backbone -> training seed -> checkpoint -> scores of its episodes."
    found = [dict(backbone=b, pretraining=p, camera="left_cap2", seed=0, checkpoint=c, steps=1, score=float(np.mean(x)), episodes=[dict(seed=i, score=float(y), length=1, actions_sha256="0" * 64) for i, y in enumerate(x)])
             for b, seeds in values.items() for p, points in seeds.items() for c, x in points.items()]
    return dict(kind="cloning", cell="c", config=dict(task=task, accounts={b: (account or {"method": "CroBo"}) for b in values}, rollouts=dict(horizon=horizon, episodes=2)), measurements=found,
                expert=dict(demonstrations=5, tries=6, horizon=60, mean_length=3.0, score=83.3, seeds=[0, 5]))


def test_the_headline_is_the_last_checkpoint_and_the_best_is_each_runs_own():
    r = record({"a": {0: {"step_000001": [100, 100], "last": [0, 100]}, 1: {"step_000001": [0, 0], "last": [100, 100]}}})
    last, best = summarise(r, "a"), summarise(r, "a", "max")
    assert (last.value, best.value, last.over, last.runs, last.checkpoints) == (75.0, 100.0, "2 training seeds", 2, 2)
    assert 0 <= last.low <= 75 <= last.high <= 100
    with pytest.raises(ValueError, match="rule 'first' is unknown"):
        chosen(r["measurements"], "first")


def test_one_backbone_speaks_for_itself_only():
    s = summarise(record({"a": {3: {"last": [0, 100, 100, 0]}}}), "a")
    assert s.over == NETS and s.low <= 50 <= s.high and s.episodes == 4


def test_nought_of_four_is_not_nought_for_sure():
    from prism_repro.results.statistics import wilson

    s = summarise(record({"a": {0: {"last": [0, 0, 0, 0]}}}), "a")
    assert (s.low, round(s.high, 3)) == (0, round(100 * wilson(0, 4)[1], 3)) and s.high > 40
    one, copies = success_interval([[0], [100], [100]]), success_interval([[0] * 5, [100] * 5, [100] * 5])
    assert np.allclose(one, np.multiply(100, wilson(2, 3)), atol=1e-3) and np.allclose(one, copies), "five runs that always agree are one"
    free = success_interval([[0, 100, 100]] * 30)
    assert np.allclose(free, np.multiply(100, wilson(60, 90)), atol=1e-3)
    still = summarise(record({"a": {0: {"last": [0, 0]}, 1: {"last": [0, 0]}}}), "a")
    assert still.low == 0 and still.high > 10, "two seeds without success have an interval, too"


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
    assert row[3].startswith("50.0 [") and row[2] == "not run" and row[-1] == "not run"
    assert mean_of(scores([r]), ["light_on"]) == "50.0"


def test_another_mask_is_a_row_of_the_ablations_alone():
    r = record({"a": {0: {"last": [0, 100]}}}, account={"method": "CroBo", "mask_ratio": 0.95, "pair": "crop"})
    assert not any("ours, a" in row[1] for row in cloning_sheet("p", [r]).rows)
    assert next(row for row in ablation_sheet("p", [r]).rows if "ours, a" in row[1])[0] == "mask 95 %"
    assert not plays({"method": "ToBo", "pair": "time"}, "CroBo")


def test_the_figure_is_drawn_with_and_without_records_to_the_same_bytes():
    r = record({"a": {0: {"step_000001": [100, 0], "last": [0, 100]}}}, task="reacher_easy", horizon=500)
    assert figure_bytes(figure_cloning("p", [r]), "png", 40) == figure_bytes(figure_cloning("p", [r]), "png", 40) != figure_bytes(figure_cloning("p", []), "png", 40)
