"""Tests of nbs/results/92_reconstructions.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import io

import numpy as np
import pytest

from prism_repro.hashes import config_hash
from prism_repro.results.figures import figure_bytes
from prism_repro.results.layouts import RecordError
from prism_repro.results.records import record_path, write_record
from prism_repro.results.reconstructions import figure_crobo, figure_reconstructions, lines, pack_pictures, psnr, read_reconstruction, rows_of

CARD = dict(method="CroBo", image_size=16, patch_size=4, mask_ratio=0.75, patches=16, token=8, visible=4, target_tokens=5, decoder_tokens=17, painted=12, numbers=48, normalize_pixels=True,
            encoder=dict(dim=8, depth=2, heads=2, parameters=1500), decoder=dict(dim=8, depth=3, heads=2, parameters=2500))


def record_of(episodes, seeds=(0,), sets=("a",), objects="masks", **changes):
    config = dict(pretraining="crobo-a", model=dict(method="CroBo", normalize_pixels=True), frames={s: {"split": "valid"} for s in sets}, samples=dict(n=4), seeds=list(seeds))
    measured = [dict(frames=s, pretraining="crobo-a", seed=seed, objects=objects, episodes=episodes(seed)) for seed in seeds for s in sets]
    return dict(schema=1, kind="reconstruction", profile="p", cell="r", config=config, hashes=dict(config=config_hash(config), data="0" * 64, code="0" * 64), versions={},
                parameters=dict(encoder=1500, decoder=2500), card=CARD, measurements=measured) | changes


def pictures(sets=("a",), rows=("source", "reference", "masked", "reconstruction", "target", "swapped", "stranger")):
    rng = np.random.default_rng(0)
    return {s: {row: rng.integers(0, 255, (2, 16, 16, 3), np.uint8) for row in rows} for s in sets}


def evidence_of(shown):
    with np.load(io.BytesIO(pack_pictures(shown))) as file:
        return dict(file)


def two_clips(seed=0, own=0.01, worse=0.005):
    return [dict(episode=f"c{i}", own_all=[own, own], own_objects=[None, own + 0.001 * seed], own_stranger=[None, 0.02], other_all=[own, own], other_objects=[None, own + 0.001 * seed + worse], other_stranger=[None, 0.01]) for i in range(2)]


def test_numbers_are_paired_and_of_the_samples_that_have_them():
    found = {line.what: line for line in lines(record_of(two_clips))}
    assert found["PSNR, hidden patches"].value == pytest.approx(20) and found["PSNR, hidden patches"].n == 4 and found["PSNR, objects"].n == 2
    worse = found["error on objects with the stranger's token"]
    assert (worse.value, worse.low, worse.high) == (pytest.approx(50),) * 3 and "these nets only" in worse.over
    assert found["pull towards the stranger's"].value == pytest.approx(50) and psnr(0) == 100


def test_two_seeds_are_the_unit_and_nothing_has_no_line():
    found = {line.what: line for line in lines(record_of(two_clips, seeds=(0, 1)))}
    hidden, worse = found["PSNR, hidden patches"], found["error on objects with the stranger's token"]
    assert hidden.over == "2 training seeds" and hidden.low == hidden.high and worse.value == pytest.approx(0.5 / 1.05 * 100)
    bare = lambda seed: [dict(episode="c", own_all=[0.1]), dict(episode="d", own_all=[0.1])]
    assert [line.what for line in lines(record_of(bare))] == ["PSNR, hidden patches"]
    none = lambda seed: [dict(episode="c", own_all=[0.1], own_objects=[None])]
    only, = lines(record_of(none))
    assert only.over == "one clip" and np.isnan(only.low) and "no interval" in str(only)
    assert lines(record_of(two_clips, objects="what moves"))[1].what == "PSNR, what moves"


def test_a_swap_that_changes_nothing_is_seen_to_change_nothing():
    line = next(x for x in lines(record_of(lambda seed: two_clips(seed, worse=0.0))) if x.what.startswith("error"))
    assert line.value == 0 and line.low <= 0 <= line.high


def test_pictures_come_back_and_too_many_are_refused():
    shown = pictures(("a", "b:c"))
    assert np.array_equal(rows_of(evidence_of(shown), "b:c")["swapped"], shown["b:c"]["swapped"]) and pack_pictures(shown) == pack_pictures(shown)
    with np.load(io.BytesIO(pack_pictures(shown, 20_000))) as file:
        assert file["levels"] < 256 and np.abs(file["a:target"].astype(int) - shown["a"]["target"]).max() <= 128 // file["levels"]
    with pytest.raises(ValueError, match="with 16 shades a colour, more than 1000: show fewer"):
        pack_pictures(shown, 1000)


def test_the_record_is_read_checked_and_of_the_right_kind(tmp_path):
    path = record_path(tmp_path, "p", "r")
    assert read_reconstruction(tmp_path, "p", "r") is None
    write_record(path, record_of(two_clips), pack_pictures(pictures()))
    record, evidence = read_reconstruction(tmp_path, "p", "r")
    assert lines(record) == lines(record_of(two_clips)) and "a:stranger" in evidence
    write_record(path, record_of(two_clips))
    with pytest.raises(RecordError, match="with pictures as evidence"):
        read_reconstruction(tmp_path, "p", "r")
    twice = record_of(two_clips)
    twice["measurements"] *= 2
    with pytest.raises(RecordError, match="repeated .frames, pretraining, seed."):
        write_record(path, twice)


def words(figure):
    return "\n".join(t.get_text() for t in [*figure.texts, *(t for axes in figure.axes for t in axes.texts)])


def test_figures_show_every_set_its_numbers_and_what_flatters_them():
    one, two = (record_of(two_clips, sets=("a", "b")), evidence_of(pictures(("a", "b")))), (record_of(two_clips, sets=("c",)), evidence_of(pictures(("c",), ("source", "reference", "masked", "reconstruction", "target"))))
    figure = figure_reconstructions("p", [one, None, two])
    assert len(figure.axes) == 2 * 2 * 6 + 2 * 4 and "wrong token +50 % [50, 50]" in words(figure) and "flatters" in words(figure).replace("\n", " ")
    told = words(figure).replace("\n", " ")
    assert "Wrong token: by how much the error" in told and "pull: where that stranger alone" in told and "moving: " not in told.lower() and "these nets only" in told
    seeds = record_of(two_clips, seeds=(0, 1, 2), objects="what moves"), evidence_of(pictures())
    told = words(figure_reconstructions("p", [seeds])).replace("\n", " ")
    assert "over 3 training seeds" in told and "painted by training seed 0" in told and "Moving: patches that change within the clip" in told
    assert figure_bytes(figure, "svg") == figure_bytes(figure_reconstructions("p", [one, None, two]), "svg")
    assert "not run" in words(figure_reconstructions("p", [None])) and "not run" in words(figure_crobo("p", None))


def test_the_drawing_has_the_measured_sizes():
    text = words(figure_crobo("quick", (record_of(two_clips), evidence_of(pictures()))))
    for wanted in ("16 patches", "4 of 16 visible", "one token\n8 numbers", "17 tokens", "12 × 48", "2 layers", "3 layers", "1.5 k", "2.5 k", "smoke"):
        assert wanted in text, wanted
