"""Tests of nbs/crobo/72_sources.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json

import h5py
import numpy as np
import pytest

from prism_repro.crobo.frames import Frames, split_clips
from prism_repro.crobo.sources import SourceClip, frame_recipe, made_from, read_masks, read_truth, resolve_source, source_clips, write_source


def clip(n=3, size=8, seed=0, truth=True):
    rng = np.random.default_rng(seed)
    known = dict(positions=rng.random((n, 2, 3), np.float32), shapes=np.array([0, 1]), colours=np.array([seed % 8, 7]), masks=rng.integers(0, 3, (n, size, size), np.uint8))
    return SourceClip(rng.integers(0, 255, (n, size, size, 3), np.uint8), f"made {seed}", known if truth else None)


def put(root, name, clips, **about):
    return write_source(root / "data/p" / name / "frames.hdf5", clips, dict(source=name, fps=10.0, licence="none", recipe=name) | about)


@pytest.mark.parametrize("settings, text", [
    ({}, "no source of frames None: choose one of solids, observations"), ({"source": "mix"}, "'mix' need sets"), ({"source": "kitchen", "camera": "left_cap2"}, "need tasks"),
    ({"source": "folder", "folder": "x", "height": 3}, "no setting .'height'.; there are folder, size"), ({"source": "solids", "length": 0}, "length=0: expected a whole number"), ({"source": "solids", "size": 64.0}, "size=64.0"),
])
def test_settings_that_make_no_frames_are_refused(settings, text):
    with pytest.raises(ValueError, match=text):
        resolve_source(settings)


def test_equal_clips_give_equal_bytes_truth_included_and_a_failure_leaves_nothing(tmp_path):
    a, b = put(tmp_path, "a", [clip(seed=1), clip(seed=2)], recipe="r"), put(tmp_path, "b", [clip(seed=1), clip(seed=2)], source="a", recipe="r")
    assert a.read_bytes() == b.read_bytes() and made_from(a, "r") and not made_from(a, "s") and not made_from(tmp_path / "none", "r")
    for clips in ([], [clip(), SourceClip(np.zeros((0, 8, 8, 3), np.uint8), "empty")]):
        with pytest.raises(ValueError, match="No clip was given|empty: expected uint8"):
            put(tmp_path, "c", clips)
    assert not list((tmp_path / "data/p/c").iterdir())


def test_masks_stay_with_their_frames(tmp_path):
    path = put(tmp_path, "a", [clip(n=2 + i % 2, seed=i) for i in range(20)])
    for split in ("train", "valid"):
        frames = Frames.load(path, split)
        masks = read_masks(path, frames)
        for name, first in zip([n for n, _ in frames.clips], frames.first):
            made = clip(n=2 + int(name[5:]) % 2, seed=int(name[5:]))
            assert np.array_equal(frames.images[first], made.images[0]) and np.array_equal(masks[first], made.truth["masks"][0])
            assert np.array_equal(read_truth(path, [name])[name]["positions"], made.truth["positions"])
    assert read_masks(put(tmp_path, "b", [clip(truth=False)]), Frames.load(tmp_path / "data/p/b/frames.hdf5")) is None
    with pytest.raises(ValueError, match="the frames are not those of this file"):
        read_masks(path, Frames(frames.images[:, :4], frames.clips))


def test_a_mix_has_the_training_clips_of_its_sets_and_their_truth_and_nothing_else(tmp_path):
    put(tmp_path, "a", [clip(seed=i) for i in range(15)], colour_names="[]")
    put(tmp_path, "b", [clip(seed=100 + i, truth=False) for i in range(10)], fps=20.0)
    settings, about = resolve_source({"source": "mix", "sets": ["a", "b"]}), {}
    path = put(tmp_path, "m", source_clips(settings, tmp_path, "p", about))
    with h5py.File(path) as file:
        names = [n for n in file if n != "truth"]
        origins = {file[n].attrs["origin"]: n for n in names}
        wanted = [f"{s} {n}" for s, k in (("a", 15), ("b", 10)) for n in split_clips([f"clip_{i:04d}" for i in range(k)], "train")]
        assert list(origins) == wanted and about["fps"] == 15.0 and about["colour_names"] == "[]"
        assert sum(n in file["truth"] for n in names) == sum(o.startswith("a ") for o in wanted)
        first = origins[wanted[0]]
        assert np.array_equal(file[first][()], clip(seed=int(wanted[0][-4:])).images)
    put(tmp_path, "c", [clip(size=12)])
    with pytest.raises(ValueError, match="frames of different sizes"):
        list(source_clips({"source": "mix", "sets": ["a", "c"]}, tmp_path, "p", {}))
    with pytest.raises(FileNotFoundError, match="nowhere/frames.hdf5 does not exist"):
        source_clips({"source": "mix", "sets": ["nowhere"]}, tmp_path, "p", {})


def test_a_recipe_tells_settings_and_inputs_apart_but_not_places(tmp_path):
    recipe = lambda **changes: frame_recipe(resolve_source({"source": "solids"} | changes), tmp_path, "p")
    assert resolve_source({"source": "mix", "sets": {"first": "a", "second": "b"}}) == {"source": "mix", "sets": ["a", "b"]}
    assert recipe() == recipe(clips=200) != recipe(clips=201) and json.loads(recipe())["settings"]["length"] == 16
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").write_bytes(b"123")
    videos = lambda folder: frame_recipe(resolve_source({"source": "folder", "folder": str(tmp_path / folder)}), tmp_path, "p")
    assert videos("x") == videos("y")
    (tmp_path / "y/a.mp4").write_bytes(b"1234")
    assert videos("x") != videos("y")


def observations(root, n=4):
    path = root / "data/p/lift/observations.hdf5"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["control_freq"], data.attrs["recipe"] = 20, "abc"
        for i in range(n):
            data[f"demo_{i}/obs/agentview_image"] = np.full((9, 8, 8, 3), 10 * i, np.uint8)
            data[f"demo_{i}/actions"] = np.zeros((9, 2))
    return path


def test_observations_become_clips_of_one_camera(tmp_path):
    observations(tmp_path)
    about, settings = {}, resolve_source({"source": "observations", "observations": "lift", "every": 4, "clips": 3})
    found = list(source_clips(settings, tmp_path, "p", about))
    assert [c.images.shape for c in found] == [(3, 8, 8, 3)] * 3 and [int(c.images[0, 0, 0, 0]) for c in found] == [0, 10, 20] and about["fps"] == 5.0
    assert next(source_clips(settings | {"size": 4}, tmp_path, "p", {})).images.shape == (3, 4, 4, 3)
    with pytest.raises(ValueError, match="demo_0: there is no camera 'front'; there are agentview"):
        list(source_clips(settings | {"camera": "front"}, tmp_path, "p", {}))
    assert json.loads(frame_recipe(settings, tmp_path, "p"))["read"] == {"lift": "abc"}


def test_a_folder_s_clips_are_cut_and_squared(tmp_path):
    from PIL import Image

    for name in ("one", "two"):
        (tmp_path / "f" / name).mkdir(parents=True)
        for i in range(5):
            Image.fromarray(np.full((16, 24, 3), 40 * i, np.uint8)).save(tmp_path / "f" / name / f"{i}.png")
    settings, about = resolve_source({"source": "folder", "folder": str(tmp_path / "f"), "size": 8, "length": 3, "square": True, "licence": "mine"}), {}
    found = list(source_clips(settings, tmp_path, "p", about))
    assert [c.images.shape for c in found] == [(3, 8, 8, 3), (2, 8, 8, 3)] * 2 and about == dict(fps=25.0, licence="mine")
    assert [int(c.images[0, 0, 0, 0]) for c in found] == [0, 120, 0, 120]
