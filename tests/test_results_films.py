"""Tests of nbs/results/86_films.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import io

import numpy as np
import pytest

from prism_repro.results.figures import figure_bytes
from prism_repro.results.films import figure_keypoints, film_frames, mp4_bytes, pack_keypoints, read_mp4, summaries, taps_of

RNG = np.random.default_rng(0)


def evidence_of(N=8, cameras=("agentview", "robot0_eye_in_hand"), frames=None):
    frames = frames or {camera: np.full((N, 84, 84, 3), 120, np.uint8) for camera in cameras}
    points = {("a", camera, tap): (RNG.uniform(4, 80, (N, 5, 2)), RNG.uniform(1, 9, (N, 5))) for tap in ("layer3", "layer4") for camera in cameras}
    packed = pack_keypoints(frames, points, range(0, 3 * N, 3), dict(start=0, end=N - 1), episode="demo_0", seed=0)
    with np.load(io.BytesIO(packed), allow_pickle=False) as file:
        return {key: file[key] for key in file.files}, points, packed


def test_keypoints_come_back_to_a_sixteenth_of_a_pixel():
    evidence, points, _ = evidence_of()
    assert list(taps_of(evidence)) == [("a", "layer3"), ("a", "layer4")]
    for (cell, tap), where in taps_of(evidence).items():
        for camera, i in where.items():
            xy, spread = points[cell, camera, tap]
            assert np.abs(evidence[f"xy_{i}"] - xy).max() < 1 / 16 and np.abs(evidence[f"spread_{i}"] - spread).max() < 1 / 16


def test_frames_are_given_up_before_the_stages():
    noisy = {"agentview": RNG.integers(0, 256, (40, 84, 84, 3), dtype=np.uint8)}
    evidence, points, packed = evidence_of(40, ("agentview",), noisy)
    assert len(packed) <= 300_000 and len(evidence["steps"]) < 40
    assert evidence["steps"][evidence["stage_rows"]].tolist() == [0, 117] and np.array_equal(evidence["frames"][0, -1], noisy["agentview"][39])
    with pytest.raises(ValueError, match="show fewer cells"):
        evidence_of(30, ("agentview",), {"agentview": RNG.integers(0, 256, (30, 300, 300, 3), dtype=np.uint8)})


def test_the_figure_repeats_to_the_byte():
    evidence, _, _ = evidence_of()
    tap = dict(spread=3.0, peak=0.5, move=None, on_object=0.5, on_gripper=0.0, on_arm=0.0)
    record = dict(profile="lite", measurements=[dict(cell="a", seed=0, camera=c, encoder="PRISM", episodes=[dict(episode=f"demo_{i}", taps=[dict(tap=t, **tap) for t in ("layer3", "layer4")]) for i in range(2)])
                                                for c in ("agentview", "robot0_eye_in_hand")])
    assert summaries(record)["a", "agentview", "layer4"] == dict(spread=3.0, peak=0.5, on_object=0.5, on_gripper=0.0, on_arm=0.0)
    caption = " ".join(figure_keypoints(record, evidence).texts[-1].get_text().split())
    assert "Numbers: means of 2 episodes; spread" in caption, "one training seed is no mean over seeds"
    first, second = (figure_bytes(figure_keypoints(record, evidence), "svg") for _ in range(2))
    assert first == second


def test_a_film_is_h264_that_browsers_play_and_decodes_to_what_went_in():
    pytest.importorskip("imageio_ffmpeg")
    y, x = np.mgrid[:64, :96]
    frames = np.stack([np.stack([x + 5 * n, y * 2, 128 + 0 * x], -1) for n in range(9)]).clip(0, 255).astype(np.uint8)
    film = mp4_bytes(frames)
    assert film == mp4_bytes(frames) and film[4:8] == b"ftyp" and b"avc1" in film and film.index(b"moov") < film.index(b"mdat")  # starts before it is loaded

    def check(given):
        back = read_mp4(film)
        assert back.shape == given.shape and np.abs(back.astype(int) - given).mean() < 4

    check(frames)
    with pytest.raises(AssertionError):
        check(frames[::-1])


def test_a_film_without_sense_gets_a_sentence():
    pytest.importorskip("imageio_ffmpeg")
    with pytest.raises(ValueError, match="even sides"):
        mp4_bytes(np.zeros((3, 63, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="keep fewer or smaller frames"):
        mp4_bytes(RNG.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8), limit=500)
    evidence, _, _ = evidence_of(3, ("agentview",))
    with pytest.raises(ValueError, match="no keypoints of 'b': choose one of a"):
        film_frames(evidence, "b")
    assert film_frames(evidence).shape[1] % 2 == film_frames(evidence).shape[2] % 2 == 0
