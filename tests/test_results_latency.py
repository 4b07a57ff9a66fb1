"""Tests of nbs/results/88_latency.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import copy

from prism_repro.results.figures import figure_bytes
from prism_repro.results.latency import draw_latency, figure_latency, kept, limits, note

MEASURED = dict(size="lite", sampler="FM-10", calls=10, n=5, p50=0.056, p95=0.06, encoder=0.006, network=0.005, cpu_share=1.0)
RECORD = dict(
    config=dict(Ta=8, control_freq=20, threads=1, device="cpu", precision="float32", cameras=["agentview"],
                sizes=dict(lite=dict(encoder=dict(name="SSPool", width=16), unet=dict(down_dims=[64, 128])))),
    device="a CPU", measurements=[MEASURED],
)


def drawn_texts(record, profile="p"):
    figure = figure_latency(profile, record)
    return [t.get_text() for t in [*figure.texts, *(t for a in figure.axes for t in a.texts)]]


def test_both_limits_and_n_are_in_the_picture():
    texts = drawn_texts(RECORD)
    assert "50 ms:\nwithin one control step" in texts and "400 ms:\nwhile the chunk before is executed" in texts
    assert "56.0 ms, p95 60.0 ms (n = 5)" in texts and any("small: ResNet-18 of width 16, UNet 64, 128" in t for t in texts), "the record's lite is not profile lite's network"
    two = RECORD | dict(measurements=[MEASURED, MEASURED | dict(sampler="MF-1", n=20)])
    assert "Timed: 5 to 20 chunks a dot." in " ".join(note("p", two).split()) and "about their slowest" in " ".join(note("p", two).split())
    assert "slowest" not in note("p", RECORD | dict(measurements=[MEASURED | dict(n=20)]))
    axes = figure_latency("p", RECORD).axes[0]
    places = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert places == [0.05, 0.4], places


def test_a_limit_is_kept_by_p95_not_by_the_median():
    assert kept(MEASURED, RECORD["config"]) == ["while the chunk before is executed"]
    assert len(kept(MEASURED | dict(p95=0.05), RECORD["config"])) == 2 and kept(MEASURED | dict(p95=0.41), RECORD["config"]) == []
    assert limits(dict(Ta=4, control_freq=10)) == {"within one control step": 0.1, "while the chunk before is executed": 0.4}


def test_a_disturbed_measurement_says_so_and_a_missing_one_is_not_run():
    assert "Disturbed" not in note("p", RECORD) and "a CPU, 1 thread, float32" in note("p", RECORD)
    disturbed = copy.deepcopy(RECORD)
    disturbed["measurements"][0]["cpu_share"] = 0.5
    assert "as little as 50 %" in note("p", disturbed)
    assert "not run" in drawn_texts(None) and "smoke run" in note("quick", None)
    gpu = copy.deepcopy(disturbed)
    gpu["config"]["device"], gpu["device"] = "cuda", "a GPU"
    assert "Disturbed" not in note("p", gpu) and "thread" not in note("p", gpu)
    assert figure_bytes(figure_latency("p", gpu), "png")[:4] == b"\x89PNG"
