"""Tests of nbs/results/83_ablations.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import math

import pytest

from prism_repro.hashes import config_hash
from prism_repro.paper.experiments import ENCODERS, all_entries
from prism_repro.results.ablations import curve, figure_4, figure_5, peak, policy_millions, row_label, scale_steps
from prism_repro.results.comparisons import read_table
from prism_repro.results.figures import figure_bytes
from prism_repro.results.records import record_path, write_record
from prism_repro.results.statistics import shared_wilson

ZERO = "0" * 64
STAND_INS = {"Lift 2V-84": dict(task="lift", observations="lift"), "Can 2V-84": dict(task="can", observations="can"), "ToolHang 1V-84": dict(task="square", observations="square_42", note="few pixels")}


def measured(seed, steps, k, n=10, last=False, weights="ema"):
    episodes = [dict(seed=i, success=i < k, length=4, actions_sha256=ZERO, final_state_sha256=ZERO) for i in range(n)]
    return dict(seed=seed, checkpoint="last" if last else f"step_{steps}", weights=weights, steps=steps, episodes=episodes)


def made_up(root, cell, task, encoder, measurements, policy=2_000_000):
    config = dict(task=task, encoder=dict(ENCODERS[encoder]), objective=dict(name="FM"), training={}, seeds=sorted({m["seed"] for m in measurements}), rollouts={})
    record = dict(schema=1, kind="rollouts", profile="lite", cell=cell, config=config, hashes=dict(config=config_hash(config), data=ZERO, code=ZERO), versions={},
                  parameters=dict(dim=64, encoder=1000, policy=policy), measurements=measurements)
    write_record(record_path(root, "lite", cell), record)


def planned(table):
    name = lambda e, q: f"{STAND_INS[q]['observations']}-{e.encoder.lower()}-fm"
    return {e.place: {q: name(e, q) for q in e.questions if q in STAND_INS} for e in all_entries() if e.table == table and set(e.questions) & set(STAND_INS)}


def texts(figure):
    return "\n".join(t.get_text() for t in (*figure.texts, *(t for axes in figure.axes for t in axes.texts)))


def test_a_curve_by_hand():
    ms = [measured(s, steps, k, last=steps == 30) for steps, ks in ((20, (7, 5)), (10, (1, 2)), (30, (5, 7))) for s, k in enumerate(ks)]
    ms += [measured(0, 25, 10), measured(0, 30, 10, weights="raw")]  # one seed alone; other weights
    points = curve(dict(config=dict(seeds=[0, 1]), measurements=ms))
    assert [(p.steps, p.k, p.n) for p in points] == [(10, 3, 20), (20, 12, 20), (30, 12, 20)] and peak(points) is points[1]
    assert points[0].rate == 0.15 and points[0].interval[0] < 0.15 < points[0].interval[1]


def test_figure_4_says_final_peak_and_not_run(tmp_path):
    entries = planned("figure_4")
    assert texts(figure_4(read_table(tmp_path, "lite", "figure_4", entries, STAND_INS))).count("not run") == 5  # four rows, and the empty axes
    made_up(tmp_path, "square_42-sspool-fm", "square", "SSPool", [measured(s, steps, k, last=steps == 20) for steps, k in ((10, 6), (20, 4)) for s in (0, 1)])
    made_up(tmp_path, "square_42-prism-fm", "square", "PRISM", [measured(s, 20, 9, last=True) for s in (0, 1)])
    comparison = read_table(tmp_path, "lite", "figure_4", entries, STAND_INS)
    text = texts(figure_4(comparison))
    assert "Base.: final 40.0 % [16.8, 68.7], 8/20\n    peak 60.0 % at step 10" in text and "(PRISM): final 90.0 %" in text and "one checkpoint evaluated" in text
    assert text.count("not run") == 2 and "+ MS-SS: not run" in text and "Base. at 240 px: not run" in text and "ToolHang -> square_42 (ours)" in text and "2 training seeds" in text
    assert row_label(comparison.rows[1]) == "+ MS-SS: not run" and "optimistic" in text and "these networks only" in text and "set aside for legibility" in text


def test_one_checkpoint_each_is_drawn_side_by_side(tmp_path):
    entries = planned("figure_4")
    for cell, encoder in (("square_42-sspool-fm", "SSPool"), ("square_42-prism-fm", "PRISM")):
        made_up(tmp_path, cell, "square", encoder, [measured(s, 900, 6, last=True) for s in (0, 1)])
    axes = figure_4(read_table(tmp_path, "lite", "figure_4", entries, STAND_INS)).axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["Base.\n900 steps", "+ MS-SS + TDCA\n(PRISM)\n900 steps"], "no axis of steps on which dots would seem to stand at others"
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in dots] == [[0], [1]] and all(line.get_transform() != axes.transAxes for line in dots)
    bars = [line.get_ydata() for line in axes.lines if line.get_marker() != "o"]
    alone = shared_wilson([[1]] * 6 + [[0]] * 4)
    assert all(math.isclose(low, 100 * alone[0]) and math.isclose(high, 100 * alone[1]) for low, high in bars), "two seeds that agree are one"


def test_figure_5_by_hand(tmp_path):
    entries = planned("figure_5")
    assert texts(figure_5(read_table(tmp_path, "lite", "figure_5", entries, STAND_INS))).count("not run") == 9
    for head, one, several, more in (("SSPool", 5, 8, 500_000), ("AvgPool", 5, 7, 2_000_000), ("MaxPool", 5, 4, 0)):
        for task in ("lift", "can"):
            made_up(tmp_path, f"{task}-{head.lower()}-fm", task, head, [measured(0, 9, one, last=True)])
            made_up(tmp_path, f"{task}-ms-{head.lower()}-plain-fm", task, f"MS-{head}-plain", [measured(0, 9, several, last=True)], 2_000_000 + more)
    comparison = read_table(tmp_path, "lite", "figure_5", entries, STAND_INS)
    steps = scale_steps(comparison)
    assert [s.head for s in steps] == ["SSPool", "AvgPool", "MaxPool"] and math.isclose(steps[0].gain.value, 0.3) and math.isclose(steps[0].per_million, 60) and steps[2].per_million is None
    assert str(steps[1]).startswith("AvgPool: +20.0 points [") and "+2.00 M parameters, +10.0 points a million; undecided." in str(steps[1])
    figure = figure_5(comparison)
    assert texts(figure).count("not run") == 2 and "nets, not methods" in texts(figure) and sum(bool(t.arrow_patch) for t in figure.axes[0].texts) == 3
    dots = [line.get_window_extent() for line in figure.axes[0].lines if line.get_marker() in "os"]
    box = figure.axes[0].get_window_extent()
    assert len(dots) == 6 and all(box.x0 < dot.x0 and dot.x1 < box.x1 for dot in dots), "every head lies within the axes"
    assert len({round(dot.x0, 3) for dot in dots}) == 6, "heads of equal size stand side by side"
    record_path(tmp_path, "lite", "can-ms-sspool-plain-fm").unlink()
    after = read_table(tmp_path, "lite", "figure_5", entries, STAND_INS)
    assert "several scales: not run" in texts(figure_5(after)) and [s.head for s in scale_steps(after)] == ["AvgPool", "MaxPool"]
    assert policy_millions(after.rows[0]) == 2


@pytest.mark.parametrize("draw", [figure_4, figure_5])
def test_same_records_same_bytes(tmp_path, draw):
    table = draw.__name__
    made_up(tmp_path, "square_42-sspool-fm", "square", "SSPool", [measured(s, steps, k, last=steps == 20) for steps, k in ((10, 6), (20, 4)) for s in (0, 1)])
    made_up(tmp_path, "lift-sspool-fm", "lift", "SSPool", [measured(0, 9, 4, last=True)])
    made_up(tmp_path, "lift-ms-sspool-plain-fm", "lift", "MS-SSPool-plain", [measured(0, 9, 6, last=True)])
    entries = {place: {q: c for q, c in cells.items() if not q.startswith("Can")} for place, cells in planned(table).items()}
    once, again = (draw(read_table(tmp_path, "lite", table, entries, STAND_INS)) for _ in range(2))
    for kind in ("svg", "png"):
        assert figure_bytes(once, kind) == figure_bytes(again, kind)
