"""Tests of nbs/results/89_scenes.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.hashes import config_hash
from prism_repro.results.figures import figure_bytes
from prism_repro.results.layouts import RecordError
from prism_repro.results.records import read_frames, record_path, write_record
from prism_repro.results.scenes import figure_scenes, pack_scenes, read_scenes


def record_of(root, tasks=("stack_cube", "key_pick"), cameras=("agentview", "robot0_eye_in_hand"), kind="scenes"):
    config = dict(cameras=list(cameras), seed=100000)
    hashes = dict(config=config_hash(config), data="0" * 64, code="0" * 64)
    measured = [dict(task=t, camera=c, instruction=f"do {t}", frame=len(cameras) * i + j) for i, t in enumerate(tasks) for j, c in enumerate(cameras)]
    frames = [np.full((48, 48, 3), 10 * m["frame"], np.uint8) for m in measured]
    record = dict(schema=1, kind=kind, profile="lite", cell="scenes-x", config=config, hashes=hashes, versions={}, measurements=measured)
    write_record(record_path(root, "lite", "scenes-x"), record, pack_scenes(frames))
    return frames


def test_frames_and_words_reach_the_figure(tmp_path):
    frames = record_of(tmp_path)
    found = read_scenes(tmp_path, "lite", "scenes-x")
    assert np.array_equal(found[1]["frames"], frames)
    figure = figure_scenes("lite", found, about="Stand-ins.")
    assert [np.asarray(a.images[0].get_array())[0, 0, 0] for a in figure.axes] == [0, 10, 20, 30]
    words = [t.get_text().replace("\n", " ") for t in figure.texts]
    assert words[0] == "Do stack_cube (agentview)" and words[3] == "Do key_pick (eye in hand)" and words[4].endswith("Stand-ins.")
    assert figure_bytes(figure, "svg") == figure_bytes(figure_scenes("lite", found, about="Stand-ins."), "svg")


def test_a_missing_record_is_not_run_and_another_kind_an_error(tmp_path):
    assert read_scenes(tmp_path, "lite", "scenes-x") is None
    assert "not run" in figure_scenes("lite", None, "figure_10").texts[0].get_text()
    with pytest.raises(RecordError):
        record_of(tmp_path, kind="scene")
    record_of(tmp_path)
    path = record_path(tmp_path, "lite", "scenes-x")
    path.with_suffix(".npz").write_bytes(b"x")
    with pytest.raises(RecordError, match="sha256"):
        read_scenes(tmp_path, "lite", "scenes-x")


def test_shades_are_given_up_before_pictures(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    (tmp_path / "a.npz").write_bytes(pack_scenes(noise, 62_000))
    found = read_frames(tmp_path / "a.npz")
    assert found["levels"] == 64 and np.abs(found["frames"].astype(int) - noise).max() <= 4 // 2 + 0
    assert pack_scenes(noise, 62_000) == pack_scenes(noise, 62_000)
    with pytest.raises(ValueError, match="draw smaller ones"):
        pack_scenes(noise, 1000)
    with pytest.raises(ValueError, match=r"uint8 frames \[N H W 3\]"):
        pack_scenes(noise / 255)
