"""Tests of nbs/analysis/79_token_probe.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import h5py
import numpy as np
import pytest

from prism_repro.analysis.token_probe import Question, Scenes, answer, load_scenes, questions, score, token_probe, write_toy_scenes


def made(clips=40, frames=3, seed=0, colours=3):
    "Scenes without pictures: one object a colour with chance 0.6, one of two shapes."
    rng = np.random.default_rng(seed)
    there = rng.random((clips, colours)) < 0.6
    there[0] = True
    place = np.repeat(rng.uniform(-0.3, 0.3, (clips, colours, 3)), frames, 0) + rng.normal(0, 0.01, (clips * frames, colours, 3))
    kind = lambda values: np.where(np.repeat(there, frames, 0), np.repeat(values, frames, 0), -1)
    shapes = kind(rng.integers(0, 2, (clips, colours)))
    return Scenes(np.zeros((clips * frames, 1, 1, 3), np.uint8), np.repeat(np.arange(clips), frames), [f"clip_{i}" for i in range(clips)], np.where(shapes[..., None] >= 0, place, np.nan), shapes,
                  kind(np.tile(np.arange(colours), (clips, 1))), np.where(shapes >= 0, 50, 0), ["ball", "box"], ["red", "green", "blue"][:colours])


def by_target(z, scenes, **more):
    return {m["target"]: m for m in token_probe(z, scenes, questions(scenes)[0], **more)}


def mean(m, key="value"):
    return np.mean([e[key] for e in m["episodes"]])


def test_what_is_in_the_vector_is_read_and_nothing_else():
    scenes = made()
    positions = np.nan_to_num(scenes.positions).reshape(len(scenes.clip), -1)
    found = by_target(np.c_[positions, scenes.colours >= 0], scenes)
    assert mean(found["position"]) < 2 and mean(found["colours"]) == 1 and mean(found["position"], "baseline") > 100
    assert mean(found["pairs"]) < 0.75  # shapes are not in it
    wrong = by_target(np.random.default_rng(0).permutation(positions), scenes)
    assert mean(wrong["position"]) > 0.9 * mean(wrong["position"], "baseline")


def test_a_clip_that_can_be_recognised_does_not_help():
    "A one-hot of the clip answers everything on frames of known clips. Here it must not beat the blind reader."
    scenes = made()
    found = by_target(np.eye(len(scenes.names))[scenes.clip], scenes)
    assert mean(found["position"]) > 0.99 * mean(found["position"], "baseline")
    assert all(mean(found[t]) <= mean(found[t], "baseline") + 0.05 for t in ("colours", "shapes", "pairs"))


def test_the_blind_reader_says_the_mean_and_the_commonest():
    scenes = made()
    found = by_target(np.zeros((len(scenes.clip), 2)), scenes)
    for m in found.values():
        assert all(e["value"] == e["baseline"] for e in m["episodes"])
    assert found["pairs"]["chance"] == 0.5 and found["position"]["chance"] is None
    reds = [q for q in questions(scenes)[0] if q.target == "colours" and q.name == "red"][0]
    share = reds.answers[:, 1].mean()
    assert next(q["baseline"] for q in found["colours"]["questions"] if q["question"] == "red") == pytest.approx(max(share, 1 - share), abs=0.12)


def test_size_and_offset_of_features_make_no_difference():
    scenes = made()
    z = np.random.default_rng(1).normal(size=(len(scenes.clip), 6)) + np.nan_to_num(scenes.positions[:, 0])[:, [0, 1, 2, 0, 1, 2]]
    a, b = by_target(z, scenes), by_target(1e4 * z + 7, scenes)
    assert [e["value"] for e in a["position"]["episodes"]] == pytest.approx([e["value"] for e in b["position"]["episodes"]], abs=0.02)


def test_questions_have_one_answer():
    scenes = made()
    asked, _ = questions(scenes)
    red = next(q for q in asked if (q.target, q.name) == ("position", "red"))
    assert (scenes.colours[red.rows, 0] == 0).all() and np.array_equal(red.answers, scenes.positions[red.rows, 0])
    twice = scenes.colours.copy()
    twice[scenes.clip == 0, 1] = 0  # clip 0 has two red things now
    two = Scenes(**vars(scenes) | dict(colours=twice))
    again = next(q for q in questions(two)[0] if (q.target, q.name) == ("position", "red"))
    assert set(red.rows) - set(again.rows) == set(np.flatnonzero(scenes.clip == 0))
    assert any(q.target == "colours" and 0 in q.rows for q in questions(two)[0])  # but something red is there


def test_what_is_out_of_sight_is_not_asked_for():
    scenes = made()
    sight = scenes.sight.copy()
    sight[:3, 0] = 2
    hidden = Scenes(**vars(scenes) | dict(sight=sight))
    for q in questions(hidden)[0]:
        if q.name == "red":
            assert not set(q.rows) & {0, 1, 2}, q.target


def test_a_question_without_a_choice_is_left_out():
    scenes = made()
    everywhere = Scenes(**vars(scenes) | dict(shapes=np.where(scenes.shapes >= 0, 0, -1)))
    asked, left_out = questions(everywhere)
    assert "pairs: red" in left_out and "shapes: box" in left_out and "position: red" not in left_out
    with pytest.raises(ValueError, match="too few for"):
        few = Question("position", "red", np.arange(6), np.zeros((6, 3)))
        answer([np.ones((6, 2))], few, np.repeat([0, 1], 3), np.repeat([0, 1], 3))


def test_scores():
    q = Question("position", "red", np.arange(2), np.array([[0, 0, 0], [0.003, 0.004, 0]]))
    assert score(q, np.zeros((2, 3))) == pytest.approx([0, 5])
    assert list(score(Question("pairs", "red", np.arange(2), np.array([[1.0, 0], [0, 1]])), np.array([[0.2, 0.1], [0.2, 0.1]]))) == [1, 0]


def test_files(tmp_path):
    write_toy_scenes(tmp_path / "two.hdf5", 4, length=2, colours=2)
    assert load_scenes(tmp_path / "two.hdf5").colour_names == ["red", "green"]
    path = tmp_path / "frames.hdf5"
    write_toy_scenes(path, 6, length=4)
    scenes = load_scenes(path, every=2)
    assert len(scenes.images) == 12 and list(scenes.clip[:4]) == [0, 0, 1, 1] and scenes.colour_names[0] == "red"
    there = scenes.colours >= 0
    assert np.isnan(scenes.positions[~there]).all() and np.isfinite(scenes.positions[there]).all() and (scenes.sight[~there] == 0).all()
    assert load_scenes(path, clips=["clip_0003"]).names == ["clip_0003"]
    with pytest.raises(ValueError, match="no truth of the clip 'x'"):
        load_scenes(path, clips=["x"])
    with h5py.File(path, "a") as file:
        del file["truth/clip_0002/shapes"]
        file["truth/clip_0002/shapes"] = [0] * 9
    with pytest.raises(ValueError, match="truth/clip_0002 has 4 positions"):
        load_scenes(path)
    with h5py.File(path, "a") as file:
        del file["truth"]
    with pytest.raises(ValueError, match="has no truth"):
        load_scenes(path)


def test_bad_features():
    scenes = made()
    with pytest.raises(ValueError, match="expected a finite vector for each frame"):
        token_probe(np.zeros((3, 2)), scenes, [])
