"""Tests of nbs/data/24_convert.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import warnings

import h5py
import numpy as np
import pytest

from prism_repro.data.convert import convert_episodes, fit_square
from prism_repro.data.schema import read_attrs, validate

SETTINGS = dict(task="push", cameras=["top"], low_dim={"arm_qpos": 3}, hz=10, image_size=16)


def episode(seed=0, n=12, **changes):
    rng = np.random.default_rng(seed)
    arrays = {"top": rng.integers(0, 256, (n, 24, 32, 3), dtype=np.uint8), "arm_qpos": rng.uniform(-1, 1, (n, 3)), "actions": rng.uniform(-1, 1, (n, 2))}
    return {key: value for key, value in (arrays | changes).items() if value is not None}


def check_averaging(resize):
    "Area averages are the exact cell means (here by brute force on a 7-fold enlargement), correctly rounded."
    image = np.random.default_rng(1).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    fine = image.repeat(7, axis=0).repeat(7, axis=1).astype(np.int64)
    exact = fine.reshape(7, 12, 7, 12, 3).sum(axis=(1, 3))
    assert np.array_equal(resize(image, 7), (exact + 72) // 144)


def test_frames_are_averaged_exactly():
    check_averaging(fit_square)
    with pytest.raises(AssertionError):
        check_averaging(lambda image, size: image[np.arange(size) * 12 // size][:, np.arange(size) * 12 // size])
    with pytest.raises(AssertionError):
        check_averaging(lambda image, size: fit_square(np.roll(image, 1, axis=0), size))


@pytest.mark.parametrize("side", [84, 85, 167, 480])
def test_frames_are_averaged_as_opencv_does(side):
    cv2 = pytest.importorskip("cv2")
    image = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    difference = fit_square(image, 84).astype(int) - cv2.resize(image, (84, 84), interpolation=cv2.INTER_AREA)
    assert np.abs(difference).max() <= 1
    if side == 480:
        assert np.abs(fit_square(image, 84).astype(int) - cv2.resize(image, (84, 84), interpolation=cv2.INTER_LINEAR)).max() > 1


def test_large_frames_do_not_overflow():
    white = np.full((3000, 3000, 3), 255, np.uint8)
    assert (fit_square(white, 84) == 255).all() and (fit_square(white[:2898, :2898], 2897) == 255).all()


def test_frames_are_copied():
    "A camera driver writes every frame into the same memory."
    image = np.zeros((84, 84, 3), np.uint8)
    small = fit_square(image, 84)
    image[:] = 9
    assert not small.any()


WRONG = {
    "Episode 1, actions: expected the key 'actions', found": dict(actions=None),
    "Episode 1, actions: expected finite values, found nan in row 3": dict(actions=np.where(np.arange(24).reshape(12, 2) == 6, np.nan, 0.5)),
    "Episode 1, actions: expected values in": dict(actions=np.full((12, 2), 3.0)),
    "Episode 1, actions: expected float actions": dict(actions=np.zeros((12, 2), int)),
    "Episode 1, actions: expected at least one row of 2": dict(actions=np.zeros((12, 3))),
    "Episode 1, top: expected 12 frames": dict(top=np.zeros((13, 24, 32, 3), np.uint8)),
    "Episode 1, top: expected RGB frames": dict(top=np.zeros((12, 24, 32, 3), np.float32)),
    "Episode 1, top: expected frames of at least 16 x 16": dict(top=np.zeros((12, 12, 32, 3), np.uint8)),
    "Episode 1, top: expected frames of 24 x 32 as in the first episode": dict(top=np.zeros((12, 48, 64, 3), np.uint8)),
    "Episode 1, arm_qpos: expected 12 rows of 3 numbers": dict(arm_qpos=np.zeros((12, 4))),
    "Episode 1, arm_qpos: expected finite values, found inf in row 0": dict(arm_qpos=np.full((12, 3), np.inf)),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_arrays_are_named_and_nothing_is_written(tmp_path, message):
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        convert_episodes([episode(), episode(1, **WRONG[message])], tmp_path / "a.hdf5", **SETTINGS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("changes, message", [
    (dict(cameras=["observation.images.top"]), "do not do"), (dict(low_dim={"actions": 2}), "do not do"), (dict(cameras=[], low_dim={}), "do not do"),
    (dict(low_dim={"top": 3}), "do not do"), (dict(action_scale=[1.0]), "2 positive numbers"), (dict(action_scale=[1.0, 0.0]), "list of positive numbers"),
    (dict(action_scale=[1.0, float("inf")]), "list of positive numbers"), (dict(action_scale=0.5), "list of positive numbers"), (dict(cameras="top"), "expected a list of names"),
    (dict(low_dim=["arm_qpos"]), "a mapping of names to sizes"), (dict(keys={"arm": "arm_qpos"}), r"names \['arm'\], which the file will not hold"), (dict(hz=0), "hz=0: expected"),
    (dict(hz=float("nan")), "hz=nan"), (dict(image_size=0), "image_size=0: expected"), (dict(image_size=16.0), "image_size=16.0"), (dict(image_size=-4), "image_size=-4"),
    (dict(valid_fraction=5), "valid_fraction=5: expected the share"), (dict(valid_fraction=1), "valid_fraction=1:"), (dict(valid_fraction=-1), "valid_fraction=-1:"),
    (dict(valid_fraction=float("nan")), "valid_fraction=nan"), (dict(valid_fraction=None), "valid_fraction=None"), (dict(valid_fraction="0.1"), "valid_fraction='0.1'")])
def test_wrong_settings_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        convert_episodes([episode()], tmp_path / "a.hdf5", **{**SETTINGS, **changes})
    assert not list(tmp_path.iterdir())


def test_a_folder_and_a_single_episode_are_refused_before_the_work(tmp_path):
    with pytest.raises(ValueError, match="is a folder: give the name of a file"):
        convert_episodes(iter(lambda: pytest.fail("an episode was read"), None), tmp_path, **SETTINGS)
    for wrong in (episode(), [None]):
        with pytest.raises(ValueError, match="Episode 0, actions: expected a mapping .* goes into a list"):
            convert_episodes(wrong, tmp_path / "a.hdf5", **SETTINGS)
    assert not list(tmp_path.iterdir())


def test_actions_that_hardly_move_are_noticed(tmp_path):
    "Commands in metres lie in [-1, 1] and are not actions of a policy; a column that never moves is nobody's mistake."
    metres = episode()["actions"] * [0.02, 0]
    with pytest.warns(UserWarning, match=r"columns \[0\] reach \[0.0"):
        convert_episodes([episode(actions=metres)], tmp_path / "a.hdf5", **SETTINGS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        convert_episodes([episode(actions=metres)], tmp_path / "a.hdf5", action_scale=[0.02, 1], **SETTINGS)


def test_numbers_of_numpy_become_a_configuration(tmp_path):
    settings = SETTINGS | dict(hz=np.float32(10), image_size=np.int64(16), low_dim={"arm_qpos": np.int64(3)}, action_scale=np.ones(2, np.float32))
    assert json.loads(json.dumps(convert_episodes([episode()], tmp_path / "a.hdf5", **settings)["config"]))["hz"] == 10


def test_no_episodes_make_no_file(tmp_path):
    with pytest.raises(ValueError, match="at least one demo"):
        convert_episodes([], tmp_path / "a.hdf5", **SETTINGS)
    assert not list(tmp_path.iterdir())


def test_the_scale_undoes_the_division_and_bytes_repeat(tmp_path):
    commands = [np.random.default_rng(i).uniform(-1, 1, (12, 2)) * [0.05, 0.5] for i in range(2)]
    for name in "ab":
        convert_episodes((episode(i, actions=c) for i, c in enumerate(commands)), tmp_path / name, action_scale=[0.05, 0.5], **SETTINGS)
    assert validate(tmp_path / "a", obs=["top_image", "arm_qpos"]) == [] and (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with h5py.File(tmp_path / "a") as file:
        np.testing.assert_allclose(file["data/demo_1/actions"][()] * read_attrs(tmp_path / "a")["action_scale"], commands[1], rtol=1e-14)
        assert np.array_equal(file["data/demo_1/obs/top_image"][3], fit_square(episode(1)["top"][3], 16))


def test_one_episode_at_a_time(tmp_path):
    "The next recording is read only when the one before it is in the file: a disk of them fits into little memory."
    import weakref

    class Recording(dict):
        "A plain dict cannot be watched."

    def check(hand_over):
        seen = []

        def recordings():
            for i in range(5):
                assert sum(ref() is not None for ref in seen) <= 1, "an earlier episode is still held"
                item = Recording(episode(i))
                seen.append(weakref.ref(item))
                yield item
                del item

        assert convert_episodes(hand_over(recordings()), tmp_path / "a.hdf5", **SETTINGS)["episodes"] == 5

    check(iter)
    with pytest.raises(AssertionError):
        check(list)


def test_a_policy_trains_on_converted_episodes(tmp_path):
    "From arrays to a trained, saved and loaded policy that acts on raw frames of the camera's own size."
    from prism_repro.data.windows import Windows
    from prism_repro.evaluation.runner import PolicyRunner
    from prism_repro.training.loop import train

    path = tmp_path / "mine.hdf5"
    report = convert_episodes((episode(i, n=30, top=np.random.default_rng(i).integers(0, 256, (30, 120, 160, 3), dtype=np.uint8)) for i in range(3)), path,
                              **{**SETTINGS, "image_size": 84})
    config = dict(**report["config"], crop_size=76, To=2, Tp=16, Ta=8,
                  encoder=dict(name="SSPool", width=8, num_kp=8), unet=dict(down_dims=[16, 32], step_embed_dim=16, kernel_size=3, n_groups=4), objective=dict(name="FM", num_steps=2))
    windows = Windows.load(path, config["cameras"], config["low_dim"])
    final = train(config, dict(steps=2, batch_size=4, warmup_steps=0, log_every=1), windows, tmp_path / "run", 0, progress=False)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 2 and np.isfinite(losses).all()
    with PolicyRunner(final, on_late="wait") as runner:
        assert runner.hz == 10 and runner.act({"top": np.zeros((120, 160, 3), np.uint8), "arm_qpos": [0, 0, 0]}).shape == (2,)
