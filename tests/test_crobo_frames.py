"""Tests of nbs/crobo/72_frames.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import subprocess

import h5py
import numpy as np
import pytest
import torch

from prism_repro.crobo.frames import Frames, read_folder, rescale, split_clips, write_frames


def noise(n=5, h=8, w=8, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (n, h, w, 3), dtype=np.uint8)


@pytest.mark.parametrize("images, clips, text", [
    (noise().astype(np.float32), [("a", 5)], "uint8 .N H W 3.; found float32"), (noise()[..., :2], [("a", 5)], r"found uint8 \[5, 8, 8, 2\]"),
    (noise(), [("a", 4)], "5 frames do not make 1 clips of 4"), (noise(), [("a", 5), ("b", 0)], "at least one"), (noise(0), [], "0 frames do not make 0 clips"),
])
def test_frames_and_clips_that_disagree_are_refused(images, clips, text):
    with pytest.raises(ValueError, match=text):
        Frames(images, clips)


def test_the_split_is_by_clip_and_by_name_alone():
    names = [f"demo_{i}" for i in range(20)]
    train, valid = split_clips(names, "train"), split_clips(names, "valid")
    assert len(valid) == 2 and sorted(train + valid) == sorted(names) and split_clips(reversed(names), "valid") == valid
    assert train == sorted(train, key=lambda n: int(n[5:])) and split_clips(["a"], "train") == split_clips(["a"], "valid") == ["a"]
    with pytest.raises(ValueError, match="no split 'test'"):
        split_clips(names, "test")


def test_digests_tell_sets_apart():
    a = Frames(noise(), [("a", 2), ("b", 3)])
    other = noise()
    other[4, 7, 7, 2] ^= 1
    assert a.digest() == Frames(noise(), [("a", 2), ("b", 3)]).digest()
    assert len({a.digest(), Frames(noise(), [("a", 3), ("b", 2)]).digest(), Frames(other, [("a", 2), ("b", 3)]).digest(), Frames(noise(5, 4, 16), [("a", 2), ("b", 3)]).digest()}) == 4


def test_bounds_are_the_clip_s():
    frames = Frames(noise(9), [("a", 2), ("b", 4), ("c", 3)])
    first, end = frames.bounds(np.array([0, 1, 2, 5, 8]))
    assert first.tolist() == [0, 0, 2, 2, 6] and end.tolist() == [2, 2, 6, 6, 9]

def test_strangers_are_of_another_clip_and_each_is_asked_once():
    frames = Frames(noise(14), [("a", 7), ("b", 4), ("c", 3)])
    for index in (np.arange(14), np.random.default_rng(0).permutation(14)):
        other = frames.strangers(index)
        assert sorted(other) == list(range(14)) and (frames.clip[index] != frames.clip[index[other]]).all()
    assert frames.strangers(np.array([0, 9, 1, 2])).tolist()[0::2] == [1, 1] and frames.strangers(np.array([0, 9, 1, 2]))[1] != 1
    crowd = np.array([0, 1, 2, 3, 4, 5, 6, 8, 12])
    assert (frames.clip[crowd] != frames.clip[crowd[frames.strangers(crowd)]]).all()
    with pytest.raises(ValueError, match="All 3 frames are of one clip"):
        frames.strangers(np.array([0, 1, 2]))


def test_a_file_holds_other_things_too_and_clips_in_groups(tmp_path):
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        file["scene_10/images"], file["scene_2/images"] = noise(3), noise(2, seed=1)
        file["scene_2/poses"], file["scene_2/masks"] = np.zeros((2, 4)), np.zeros((2, 8, 8), np.uint8)
        file.attrs["fps"] = np.float64(20)
    frames = Frames.load(tmp_path / "f.hdf5", "all")
    assert frames.clips == [("scene_2/images", 2), ("scene_10/images", 3)] and np.array_equal(frames.images[2:], noise(3)) and frames.about == {"fps": 20}


def test_equal_clips_give_equal_bytes_and_nothing_is_left_of_a_failure(tmp_path):
    about = {"source": "noise", "fps": 5.0}
    a, b = (write_frames(tmp_path / n, [("x", noise()), ("y", noise(2))], about).read_bytes() for n in ("a.hdf5", "b.hdf5"))
    assert a == b
    for clips in ([], [("x", noise()), ("y", noise().astype(int))], [("x", noise(0))]):
        with pytest.raises(ValueError, match="No clip was given|expected uint8"):
            write_frames(tmp_path / "c.hdf5", iter(clips), about)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.hdf5", "b.hdf5"]


def test_more_than_memory_is_mapped_once(tmp_path, capsys):
    path = write_frames(tmp_path / "f.hdf5", [(str(i), noise(3, seed=i)) for i in range(4)], {})
    whole, mapped = Frames.load(path), Frames.load(path, memory=100)
    assert isinstance(mapped.images, np.memmap) and np.array_equal(mapped.images, whole.images) and mapped.clips == whole.clips
    assert "do not fit into memory" in capsys.readouterr().err
    Frames.load(path, memory=100)
    assert capsys.readouterr().err == "" and len(list((tmp_path / "f.maps").iterdir())) == 1


@pytest.mark.parametrize("make, text", [
    (lambda p: p / "nowhere", "nowhere does not exist"), (lambda p: p, "holds no video .* among its 1 files"),
    (lambda p: (p / "bad.hdf5").write_bytes(b"x" * 100) and p / "bad.hdf5", "bad.hdf5 cannot be read as HDF5"),
    (lambda p: (p / "bad.mp4").write_bytes(b"x" * 1000) and p, "bad.mp4 cannot be decoded as a video"),
    (lambda p: (p / "bad.png").write_bytes(b"x" * 1000) and p, "bad.png cannot be read as an image"),
    (lambda p: h5py.File(p / "empty.hdf5", "w").close() or p / "empty.hdf5", "empty.hdf5 holds no clip: .* found nothing"),
])
def test_unreadable_or_empty_sources_are_errors_that_name_them(tmp_path, make, text):
    (tmp_path / "readme.txt").write_text("x")
    with pytest.raises((ValueError, FileNotFoundError), match=text):
        Frames.load(make(tmp_path))


def test_clips_of_different_sizes_are_refused(tmp_path):
    path = write_frames(tmp_path / "f.hdf5", [("a", noise()), ("b", noise(2, 8, 12))], {})
    for memory in (None, 10):
        with pytest.raises(ValueError, match="frames of different sizes"):
            Frames.load(path, "all", memory=memory)
    with pytest.raises(ValueError, match="has the size that it was written with"):
        Frames.load(path, side=64)


def test_a_cut_off_video_is_an_error_or_short_but_never_noise(tmp_path):
    import imageio_ffmpeg

    out = imageio_ffmpeg.write_frames(str(tmp_path / "v.mp4"), (32, 32), fps=10, macro_block_size=1)
    out.send(None)
    for i in range(20):
        out.send(np.full((32, 32, 3), 10 * i, np.uint8))
    out.close()
    (name, images), = read_folder(tmp_path, 16, every=5)
    assert name == "v" and images.shape == (4, 16, 16, 3) and np.abs(images.mean((1, 2, 3)) - [0, 50, 100, 150]).max() < 6
    data = (tmp_path / "v.mp4").read_bytes()
    (tmp_path / "v.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="v.mp4 cannot be decoded"):
        list(read_folder(tmp_path, 16))


def test_images_of_several_shapes_are_cut_to_what_they_share(tmp_path):
    from PIL import Image

    for name, (h, w) in {"wide/00001.jpg": (40, 80), "wide/00000.jpg": (40, 80), "tall/0.png": (60, 30), ".hidden/0.png": (9, 9)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((h, w, 3), 200, np.uint8)).save(tmp_path / name)
    clips = dict(read_folder(tmp_path, 20))
    assert {n: c.shape for n, c in clips.items()} == {"wide": (2, 20, 20, 3), "tall": (1, 20, 20, 3)}


def test_rescaling_keeps_the_shape_and_the_middle():
    image = np.zeros((30, 60, 3), np.uint8)
    image[10:20, 25:35] = 255
    small = rescale(image, 15)
    assert small.shape == (15, 30, 3) and small[7, 15].min() > 200 and small[1, 1].max() < 20
    assert np.array_equal(rescale(image, 30), image) and rescale(image, 15, (15, 15))[7, 7].min() > 200
