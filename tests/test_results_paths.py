"""Tests of nbs/results/92_paths.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.paper.crobo import STRAIGHTNESS
from prism_repro.results.figures import figure_bytes
from prism_repro.results.paths import NETS, SEEDS, Estimate, answers, backbones, caption, degrees, difference, estimate, evidence_frames, figure_paths, judged, reading


def paths_record(levels, seeds=2, clips=6):
    "Backbone -> degrees, the same in every clip but for its own difficulty."
    hard = np.random.default_rng(0).normal(0, 5, clips)
    return dict(config=dict(frames="solids", every=1), drawn=["c0"], evidence=None, measurements=[
        dict(frames="solids", backbone=n, seed=s, fps=6.0, dropped=3, episodes=[dict(episode=f"c{i}", degrees=float(v + h + s * 0.1), turns=9, dropped=0) for i, h in enumerate(hard)],
             paths=[dict(clip="c0", points=[[0, 0], [1, 0.5], [1, 1]], share=0.5)] if s == 0 else [])
        for n, v in levels.items() for s in range(seeds)])


def probe_record(levels, seeds=2, clips=6, seen=0):
    return dict(config=dict(frames="solids_probe", folds=3), clips=clips, frames=30, not_asked=["shapes: box"], measurements=[
        dict(backbone=n, seed=s, target=t, unit="mm" if t == "position" else "accuracy", seen=seen, episodes=[dict(episode=f"c{i}", value=float(v + s * 0.1 + i) if t == "position" else 0.5 + 0.01 * i, baseline=100.0 if t == "position" else 0.4, n=3) for i in range(clips)])
        for n, v in levels.items() for s in range(seeds) for t in ("position", "colours", "shapes", "pairs")])


def test_seeds_are_the_unit_where_there_are_two():
    two = {0: {"a": 1.0, "b": 3.0}, 1: {"a": 2.0, "b": 4.0}}
    e = estimate(two)
    assert (e.value, e.over, e.seeds, e.clips) == (2.5, SEEDS, 2, 2) and e.low == pytest.approx(2.5 - 12.706 * 0.5, abs=0.01)
    one = estimate({7: {"a": 1.0, "b": 3.0, "c": 5.0}})
    assert one.over == NETS and one.value == 3 and 1 <= one.low < 3 < one.high <= 5 and one.text().endswith("*") and not e.text().endswith("*")
    assert estimate({0: {"a": 1.0}}).low is None and estimate({0: {"a": 1.0}}).text() == "1.0"
    with pytest.raises(ValueError, match="no clip"):
        estimate({0: {}})


def test_differences_pair_clips_and_seeds():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 50, 12)
    a = {s: {f"c{i}": float(h + 10 * s) for i, h in enumerate(hard)} for s in range(3)}
    b = {s: {c: v + 1 + 0.01 * s for c, v in own.items()} for s, own in a.items()}
    d = difference(a, b)
    assert d.over == SEEDS and d.value == pytest.approx(-1.01) and d.high < -0.9  # neither the clips' nor the seeds' spread is in it
    alone = difference({0: a[0]}, {0: b[0]})
    assert alone.over == NETS and alone.high < -0.9
    partly = difference({0: a[0]}, {0: dict(list(b[0].items())[:4])})
    assert partly.clips == 4


def test_identity_is_the_mean_of_what_is_answered_in_words():
    probe = probe_record({"CroBo": 50})
    found = answers(probe, "CroBo", "identity")
    assert found[0]["c3"] == pytest.approx(0.53) and answers(probe, "CroBo", "position", "baseline")[1]["c0"] == 100
    assert answers(probe, "MAE", "position") == {} and answers(None, "CroBo", "position") == {} and degrees(None, "CroBo") == {} and backbones(None) == []


def test_straight_and_ignorant_is_named():
    straight, probe = paths_record({"CroBo": 70, "blob": 60, "random": 80}), probe_record({"CroBo": 50, "blob": 90, "random": 70})
    assert reading(straight, probe, "CroBo", "random")["words"] == "straighter, knows positions better"
    assert "because it sees little" in reading(straight, probe, "blob", "random")["words"]
    assert reading(straight, probe, "random", "CroBo")["words"] == "more bent, knows positions worse"
    assert reading(None, None, "CroBo", "random")["words"] == "not run in degrees, not run in mm"
    assert judged(estimate({0: {"a": 1.0}}), "less", "more") == "undecided"
    word = lambda low, high: judged(Estimate(0.0, low, high, SEEDS, 3, 3), "less", "more")
    assert (word(-2.0, 1.0), word(-2.0, -1.0), word(1.0, 2.0)) == ("undecided", "less", "more")


def test_the_figure_repeats_and_says_what_was_not_run():
    straight, probe = paths_record({"CroBo": 70, "random": 80}), probe_record({"CroBo": 50, "MAE": 60})
    draw = lambda: figure_paths("p", {"solids": straight}, probe, [np.zeros((3, 8, 8, 3), np.uint8)])
    assert figure_bytes(draw(), "svg") == figure_bytes(draw(), "svg")
    left, right, *tiles = draw().axes
    assert [t.get_text().split("  ")[0] for t in left.get_yticklabels()] == ["CroBo", "random", "MAE"] and "(6 dropped)" in left.get_yticklabels()[0].get_text()
    assert [t.get_text() for t in left.texts].count("not run") == 1 and [t.get_text() for t in right.texts].count("not run") == 1
    assert len(tiles) == 3  # frames, and two paths
    empty = figure_paths("quick", {"solids": None}, None)
    assert all("not run" in [t.get_text() for t in ax.texts] for ax in empty.axes[:2])


def test_the_paper_s_degrees_are_quoted_as_of_other_clips_and_drawn_nowhere():
    straight = paths_record({"CroBo": 70})
    text = " ".join(caption("p", {"solids": straight}, None).split())
    assert "75.4° for CroBo and 103.28° for DINOv2, on other clips at an unknown rate: not to be compared" in text and "at 6 frames/s" in text
    values = {round(float(v), 2) for ax in figure_paths("p", {"solids": straight}, None).axes for line in ax.lines for v in line.get_xdata()}
    assert not values & {STRAIGHTNESS["CroBo"].value, STRAIGHTNESS["DINOv2"].value}


def test_a_method_has_one_colour_in_every_figure():
    from prism_repro.results.cloning import COLOURS, colour_of

    figure = figure_paths("p", {"solids": paths_record({"CroBo": 70, "MAE": 80, "CroBo, mask 75 %": 75, "MAE's patches": 77, "random": 90})}, None)
    drawn = [line.get_color() for line in figure.axes[0].lines if line.get_marker() in ("o", "D")]
    assert drawn == [COLOURS["CroBo"], COLOURS["MAE"], COLOURS["CroBo"], COLOURS["MAE"], colour_of("random")]


def test_records_are_named_by_one_by_several_or_by_their_kind(tmp_path, monkeypatch):
    import prism_repro.results.paths as paths

    monkeypatch.setattr(paths, "read_evidence", lambda root, profile: {"a": dict(kind="straightness"), "b": dict(kind="token_probe"), "c": dict(kind="straightness")})
    assert paths.named(tmp_path, "p", "straightness") == ["a", "c"] and paths.named(tmp_path, "p", "straightness", "x") == ["x"] and paths.named(tmp_path, "p", "straightness", ["c", "y"]) == ["c", "y"]


def test_frames_of_nothing(tmp_path):
    assert evidence_frames(tmp_path, "p", "x", None) == []
