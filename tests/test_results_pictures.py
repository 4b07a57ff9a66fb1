"""Tests of nbs/results/84_pictures.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import io

import numpy as np
import pytest

from prism_repro.results.figures import figure_bytes
from prism_repro.results.pictures import FEW, NUMBERS, figure_saliency, interval_note, overlay, pack_maps, shades, sum_up


def record_of(values, cells=(("a", "SSPool"),), seeds=(0,)):
    "Episodes' object shares by (cell, seed); every other number is a half."
    measurements = []
    for cell, encoder in cells:
        for seed in seeds:
            episodes = [dict.fromkeys(NUMBERS, 0.5) | dict(episode=f"demo_{i}", share_object=v) for i, v in enumerate(values[cell, seed])]
            measurements.append(dict(cell=cell, seed=seed, camera="agentview", encoder=encoder, weights="trained", episodes=episodes))
    return dict(profile="lite", measurements=measurements)


def test_seeds_share_their_episodes():
    "The resampled unit is the episode: two seeds that agree on every episode give no narrower interval than one."
    shares = [0.1, 0.3, 0.2, 0.6, 0.4, 0.15]
    one = sum_up(record_of({("a", 0): shares}))[0]["numbers"]["share_object"]
    two = sum_up(record_of({("a", 0): shares, ("a", 1): shares}, seeds=(0, 1)))[0]["numbers"]["share_object"]
    assert np.allclose(one, two) and one[1] < one[0] < one[2]


def test_an_episode_without_the_number_is_left_out_and_one_alone_has_no_interval():
    found = sum_up(record_of({("a", 0): [0.1, None, 0.3]}))[0]["numbers"]["share_object"]
    assert np.isclose(found[0], 0.2)
    assert sum_up(record_of({("a", 0): [0.1, None]}))[0]["numbers"]["share_object"] is None


def test_cells_of_one_encoder_are_told_apart_by_name():
    record = record_of({("a", 0): [0.1, 0.2], ("b", 0): [0.1, 0.2], ("c", 0): [0.1, 0.2]}, cells=(("a", "SSPool"), ("b", "SSPool"), ("c", "PRISM")))
    assert [row["label"] for row in sum_up(record)] == ["a", "b", "PRISM"]


def test_evidence_fits_by_giving_up_shades_and_then_refuses():
    rng = np.random.default_rng(0)
    frames = {"agentview": np.zeros((4, 84, 84, 3), np.uint8)}
    maps = {f"cell{i}": {"agentview": rng.random((4, 84, 84)) ** 8} for i in range(12)}
    steps = dict(start=0, approach=1, grasp=2, end=3)
    packed = pack_maps(frames, maps, steps, episode="demo_0", seed=0)
    assert len(packed) <= 300_000 and packed == pack_maps(frames, maps, steps, episode="demo_0", seed=0)
    with np.load(io.BytesIO(packed), allow_pickle=False) as file:
        assert file["maps"].shape == (12, 1, 4, 84, 84) and file["frames"].shape == (1, 4, 84, 84, 3) and str(file["stages"][2]) == "grasp"
        assert len(np.unique(file["maps"])) <= 64
    with pytest.raises(ValueError, match="show fewer"):
        pack_maps({"agentview": rng.integers(0, 256, (20, 84, 84, 3), dtype=np.uint8)}, {"a": {"agentview": rng.random((20, 84, 84))}}, {str(i): i for i in range(20)})


def test_the_brightest_place_of_a_picture_is_the_map_s():
    s = np.zeros((30, 30))
    s[20, 8] = 1
    picture = shades(s)
    assert np.unravel_index(np.argmax(picture), picture.shape) == (20, 8) and picture.max() == 255 and shades(0 * s).max() == 0
    drawn = overlay(np.full((30, 30, 3), 100, np.uint8), picture)
    assert drawn[20, 8].sum() > drawn[0, 0].sum() and drawn.dtype == np.uint8


def test_the_figure_repeats_to_the_byte_and_needs_no_untrained_control():
    rng = np.random.default_rng(0)
    record = record_of({("a", 0): [0.1, 0.2, 0.4]})
    packed = pack_maps({"agentview": np.zeros((2, 84, 84, 3), np.uint8)}, {"a": {"agentview": rng.random((2, 84, 84))}}, dict(start=0, end=9), episode="demo_0", seed=0)
    with np.load(io.BytesIO(packed), allow_pickle=False) as evidence:
        first, second = (figure_bytes(figure_saliency(record, evidence), "svg") for _ in range(2))
    assert first == second


def test_few_episodes_are_called_a_hint():
    assert "these networks only, too narrow with 6 of them: a hint" in interval_note(6) and "narrow" not in interval_note(FEW)
