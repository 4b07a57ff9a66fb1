"""Tests of nbs/results/84_overlays.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import shutil
from pathlib import Path

import numpy as np
import pytest

from prism_repro.results.figures import figure_bytes
from prism_repro.results.layouts import RecordError
from prism_repro.results.overlays import FIGURES, HEADS, figure_overlays, grid, read_saliency
from prism_repro.results.pictures import overlay
from prism_repro.results.statistics import cluster_bootstrap

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def found():
    "The committed record of five policies on wide Lift."
    return read_saliency(ROOT, "lite", {"Lift": "saliency-lift_wide", "Can": "saliency-can"})


def test_panels_are_the_records_own_maps(found):
    record, evidence = found["Lift"]
    cells = [str(c) for c in evidence["cells"]]
    rows = grid("figure_6", found)
    assert [label.split("\n")[0] for label, _ in rows] == ["Lift", *HEADS] and {len(panels) for _, panels in rows} == {2 * len(evidence["stages"])}
    for (_, panels), head in zip(rows[1:], HEADS):
        i = cells.index(f"lift_wide-{head.lower()}-fm")
        assert np.array_equal(panels[5].picture, overlay(evidence["frames"][1, 1], evidence["maps"][i, 1, 1]))
    share = {}  # of every training seed, by episode
    for m in record["measurements"]:
        if m["cell"] == "lift_wide-sspool-fm" and m["camera"] == "agentview":
            for e in m["episodes"]:
                share.setdefault(e["episode"], []).extend([] if e["share_object"] is None else [e["share_object"]])
    assert rows[1][0].split("\n")[1] == "{:.0f} [{:.0f}, {:.0f}] %".format(*(100 * v for v in cluster_bootstrap([v for v in share.values() if v])))
    assert rows[1][0].split("\n")[1].startswith(f"{100 * np.mean(sum(share.values(), [])):.0f} [")


def test_the_caption_counts_what_was_measured(found):
    record, evidence = found["Lift"]
    episodes = {e["episode"] for m in record["measurements"] for e in m["episodes"]}
    seeds = {m["seed"] for m in record["measurements"] if m["weights"] == "trained"}
    words = " ".join(" ".join(t.get_text() for t in figure_overlays("lite", "figure_2", found).texts).split())
    assert f"mean of {len(episodes)} episodes and {len(seeds)} training seeds" in words and "all annotated" not in words and "these networks only" in words
    fewer = dict(record, measurements=[dict(m, episodes=m["episodes"][:3]) for m in record["measurements"] if m["seed"] == min(seeds)])
    words = " ".join(" ".join(t.get_text() for t in figure_overlays("lite", "figure_2", {"Lift": (fewer, evidence)}).texts).split())
    assert "mean of 3 episodes and 1 training seed;" in words


def test_what_a_profile_lacks_says_not_run(found):
    assert found["Can"] is None
    counts = {name: [sum(p.picture is None for p in panels) for _, panels in grid(name, found)] for name in FIGURES}
    assert counts["figure_2"] == [0, 5, 5] and counts["figure_3"] == [4] * 6 and counts["figure_9"] == [0, 0, 4, 4, 4, 4] and sum(counts["figure_7"]) == 20
    words = [t.get_text() for a in figure_overlays("lite", "figure_2", found).axes for t in a.texts]
    assert words.count("not run") == 10
    with pytest.raises(KeyError, match="figure_4 shows no saliency"):
        grid("figure_4", found)


@pytest.mark.parametrize("name", ["figure_2", "figure_9"])
def test_same_records_same_bytes(found, name):
    assert figure_bytes(figure_overlays("lite", name, found), "svg") == figure_bytes(figure_overlays("lite", name, found), "svg")


def test_a_damaged_or_foreign_record_stops_the_figure(tmp_path):
    folder = tmp_path / "results/lite/records"
    folder.mkdir(parents=True)
    for kind in ("json", "npz"):
        shutil.copy(ROOT / f"results/lite/records/saliency-lift_wide.{kind}", folder)
    shutil.copy(ROOT / "results/lite/records/probe-lift_wide.json", folder)
    assert read_saliency(tmp_path, "lite", {"Lift": "saliency-lift_wide"})["Lift"]
    with pytest.raises(RecordError, match="kind should be saliency"):
        read_saliency(tmp_path, "lite", {"Lift": "probe-lift_wide"})
    (folder / "saliency-lift_wide.npz").write_bytes(b"x")
    with pytest.raises(RecordError, match="sha256"):
        read_saliency(tmp_path, "lite", {"Lift": "saliency-lift_wide"})
