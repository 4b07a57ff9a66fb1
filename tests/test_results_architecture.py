"""Tests of nbs/results/89_architecture.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.results.architecture import count_text, figure_architecture, shape_text
from prism_repro.results.figures import figure_bytes


def record_of(settings, size):
    from prism_repro.analysis.model_card import fusion_card, model_card, policy_card

    config = dict(cell="x", encoder=settings, crop_size=size, cameras=1, low_dim=dict(a=3), To=1)
    return dict(profile="lite", config=config, measurements=model_card(settings, size), fusion=fusion_card(settings, size), parameters=policy_card(settings, size, 1, (16, 32), To=1, low_dim=dict(a=3)))


@pytest.mark.parametrize("settings, size", [(dict(name="PRISM", width=16), 76), (dict(name="PRISM", width=8, stages=3, num_kp=5), 38), (dict(name="TDCA", width=8, tokens="keypoint"), 64)])
def test_every_measured_shape_stands_in_the_drawing(settings, size):
    record = record_of(settings, size)
    figure = figure_architecture(record)
    words = "\n".join(t.get_text() for t in figure.axes[0].texts)
    stages = [m for m in record["measurements"] if m["token"]]
    assert all(shape_text(m["shape"]) in words for m in stages) and words.count("keypoints") == len(stages)
    assert f"is told {record['parameters']['condition']} numbers" in words and f"image\n3 × {size} × {size}" in words
    assert figure_bytes(figure, "svg") == figure_bytes(figure_architecture(record), "svg")
    assert count_text(record["parameters"]["encoder"]) in figure.texts[0].get_text().replace("\n", " ")


def test_counts_are_short():
    assert [count_text(n) for n in (9536, 1_234_567)] == ["9.5 k", "1.23 M"]
