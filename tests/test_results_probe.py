"""Tests of nbs/results/85_probe.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.results.figures import figure_bytes
from prism_repro.results.probe import Finding, Source, difference, figure_probe, findings, probe_notes, probe_rows, sources, write_table_probe


def entry(size, place, errors, weights="trained", encoder="SSPool", seed=0, **more):
    episodes = [dict(episode=f"demo_{i}", errors_mm=list(e)) for i, e in enumerate(errors)]
    return dict(size=size, source=f"{encoder}: {place}", weights=weights, seed=seed, encoder=encoder, cell="", place=place, features=8, dim=64, penalties=[0.1], episodes=episodes, **more)


def record(stage_1=10.0, stage_4=14.0, output=20.0, small=1.0, encoder="SSPool", seeds=(0, 1), **more):
    rng = np.random.default_rng(0)
    base = rng.normal(0, 1, (20, 4))
    out = [entry(size, "mean", base + 80, "none", "") for size in (84, 42)]
    for size in (84, 42):
        levels = {"stage 1": stage_1, "stage 4": stage_1 + (stage_4 - stage_1) * (small if size == 42 else 1), "output": output}
        out += [entry(size, place, base + level + 0.1 * rng.normal(0, 1, (20, 4)), encoder=encoder, seed=seed, **more) for seed in seeds for place, level in levels.items()]
    return dict(config=dict(task="t", dim=64, cameras=["a"], folds=5), measurements=out)


def verdicts(r):
    return {f.what: f.verdict for f in findings(r, n=200)}


def both(other="PRISM", worse=3.0, **levels):
    "SSPool, and another encoder whose output is better by so many mm."
    first, second = record(**levels), record(encoder=other, **{**levels, "output": levels.get("output", 20.0) - worse})
    return first | dict(measurements=first["measurements"] + [m for m in second["measurements"] if m["weights"] != "none"])


def test_every_prediction_can_hold_and_fail():
    assert verdicts(both(small=2)) == {
        f"{start}{name}{end}": verdict for name in ("SSPool", "PRISM") for start, end, verdict in (
            ("84 px, trained ", ", stage 4 over stage 1", "supports"), ("84 px, trained ", ", output over stage 4", "more"),
            ("42 px, trained ", ", stage 4 over stage 1", "supports"), ("42 px, trained ", ", output over stage 4", "more" if name == "SSPool" else "less"),
            ("trained ", ", stage 4 over stage 1, 42 over 84 px", "supports"))
    } | {f"{size} px, trained, output of SSPool over PRISM": "supports" for size in (84, 42)}
    turned = verdicts(both(worse=-3, stage_1=30, stage_4=26, output=15, small=2))
    assert {v for name, v in turned.items() if "output over" not in name} == {"contradicts"} and "more" not in turned.values()
    level = verdicts(both(worse=0, stage_4=10, output=10))
    assert list(level.values()).count("undecided") >= 9


def test_random_networks_carry_no_prediction_and_heads_are_compared_across_kinds_alone():
    r = both("MS-SSPool")
    for m in r["measurements"]:
        m["weights"] = m["weights"].replace("trained", "random")
    assert set(verdicts(r).values()) <= {"more", "less", "undecided"} and "84 px, random, output of SSPool over MS-SSPool" in verdicts(r)
    assert not any("output of" in name for name in verdicts(both("AvgPool")))
    assert [Finding("x", (v, v - 0.5, v + 0.5), p).verdict for p in (1, 0) for v in (1.0, 0.0, -1.0)] == ["supports", "undecided", "contradicts", "more", "undecided", "less"]


def test_differences_are_paired_frame_by_frame():
    rng = np.random.default_rng(0)
    hard = rng.normal(50, 20, (20, 4))
    a, b = (Source(84, "trained", "x", p, 1, (0,), {str(i): list(e) for i, e in enumerate(errors)}) for p, errors in (("a", hard + 1), ("b", hard)))
    value, low, high = difference((1, a), (-1, b), n=200)
    assert value == pytest.approx(1) and high - low < 1e-9  # not paired, the interval would be about 10 mm wide
    with pytest.raises(ValueError, match="same frames"):
        difference((1, a), (-1, Source(84, "trained", "x", "c", 1, (0,), {"0": [1.0]})))


def test_seeds_join_within_their_episode():
    found = {(s.size, s.place): s for s in sources(record())}
    assert found[84, "output"].seeds == (0, 1) and len(found[84, "output"].errors) == 20 and len(found[84, "output"].errors["demo_3"]) == 8
    assert found[84, "output"].interval("median", 100)[0] == pytest.approx(20, abs=0.5)


def test_files_repeat_say_not_run_and_warn(tmp_path):
    r = record(seen=5)
    rows = probe_rows(r, n=50)
    first = [p.read_bytes() for p in write_table_probe(tmp_path, "quick", "probe", r, rows)]
    assert first == [p.read_bytes() for p in write_table_probe(tmp_path, "quick", "probe", r, rows)]
    assert b"smoke run" in first[0] and b"**Flattered**: up to 5 of the 20" in first[0] and first[1].count(b"\n") == 1 + len(rows)
    assert len(probe_notes(record())) == len(probe_notes(r)) - 1
    empty = [p.read_text() for p in write_table_probe(tmp_path, "lite", "probe", None, [])]
    assert all("not run" in t for t in empty)


def test_the_figure_repeats_and_shows_both_sizes():
    r = record()
    assert figure_bytes(figure_probe("p", r, 50), "svg") == figure_bytes(figure_probe("p", r, 50), "svg")
    figure = figure_probe("quick", r, 50)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["84 px", "42 px"]
    r = record() | dict(measurements=[m for m in record()["measurements"] if m["size"] == 84 or m["weights"] != "trained"] + [entry(42, p, [[9.0, 9.5]] * 20, "random") for p in ("stage 1", "output")])
    untrained = figure_probe("p", r, 50)
    assert [ax.get_title(loc="left") for ax in untrained.axes] == ["84 px", "42 px: networks before training"] and "At 42 px no network was trained." in " ".join(untrained.texts[-1].get_text().split())
    untrained.canvas.draw()
    legend, title = untrained.legends[0].get_window_extent(), [ax._left_title.get_window_extent() for ax in untrained.axes]
    assert all(not legend.overlaps(box) for box in title), "the legend touches a panel's title"
    heights = [max(np.max(line.get_ydata()) for line in ax.lines) for ax in figure.axes]
    assert all(70 < h < 90 for h in heights)  # the mean baseline, in mm
    assert "not run" in [t.get_text() for t in figure_probe("p", None).axes[0].texts]
