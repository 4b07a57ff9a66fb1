"""Tests of nbs/evaluation/71_guards.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.evaluation.guards import UnsafeAction, Watch, check_absolute, limit_action, prepare

CONFIG = dict(cameras=["top"], low_dim={"x": 2}, image_size=8, To=2, Tp=16, Ta=8, action_dim=2)


def raw(**changes):
    return {"top": np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8), "x": np.array([0.1, 0.2]), **changes}


@pytest.mark.parametrize("changes, message", [
    (dict(top=np.zeros((12, 16, 3))), "Camera 'top': expected RGB frames, uint8"),
    (dict(top=np.zeros((3, 12, 16), np.uint8)), "Camera 'top': expected RGB frames, uint8"),
    (dict(top=np.zeros((2, 12, 16, 3), np.uint8)), "keeps the history itself"),
    (dict(top=np.zeros((7, 16, 3), np.uint8)), "at least 8 x 8"),
    (dict(x=np.zeros(3)), "'x': expected finite numbers of shape"),
    (dict(x=np.array([0, np.inf])), "'x': expected finite numbers of shape"),
    (dict(x=["a", "b"]), "'x': expected finite numbers of shape"),
    (dict(x=[[1], 2]), "'x': expected finite numbers of shape"),
    (dict(x=None), "'x': expected finite numbers of shape")])
def test_observations_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        prepare(raw(**changes), CONFIG)


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match=r"lacks 'x'; it has \['top'\]"):
        prepare({"top": raw()["top"]}, CONFIG)


def test_something_else_than_an_observation_is_refused():
    with pytest.raises(ValueError, match=r"is of type list, expected a mapping.*tuple \(observation, stamp\)"):
        prepare([raw(), 3.0], CONFIG)


def test_prepared_observations_own_their_memory():
    "Drivers and robots write the next reading into the same arrays."
    observation = raw(top=np.ones((8, 8, 3), np.uint8), x=np.ones(2, np.float32))
    frame = prepare(observation, CONFIG)
    observation["top"][:], observation["x"][:] = 9, 9
    assert (frame["top"] == 1).all() and (frame["x"] == 1).all()


def test_an_old_stamp_is_noticed():
    watch = Watch([], max_age=0.1, max_frozen=1, hz=20, clock=lambda: 50.0)
    assert watch.check({}) is None and watch.check({}, 49.91) is None
    assert "110 ms old, and 100 ms are allowed" in watch.check({}, 49.89)


def test_stamps_of_another_clock_are_refused():
    with pytest.raises(ValueError, match="time.monotonic"):
        Watch([], max_age=0.1, max_frozen=1, hz=20, clock=lambda: 50.0).check({}, 1.7e9)


@pytest.mark.parametrize("stamp", [float("nan"), float("inf"), "now"])
def test_stamps_that_are_no_time_are_refused(stamp):
    "Nothing is older than nan, so such an observation would always be fresh."
    with pytest.raises(ValueError, match="is no time"):
        Watch([], max_age=0.1, max_frozen=1, hz=20, clock=lambda: 50.0).check({}, stamp)


def test_a_frozen_camera_is_noticed_even_when_it_fills_the_same_array():
    watch, image = Watch(["top", "wrist"], max_age=1, max_frozen=0.5, hz=10), np.zeros((8, 8, 3), np.uint8)
    wrist = np.zeros((8, 8, 3), np.uint8)
    found = []
    for tick in range(12):
        wrist[0, 0, 0] = tick
        image[0, 0, 0] = min(tick, 3)  # alive for three ticks
        found.append(watch.check({"top": image, "wrist": wrist}))
    assert found[:8] == [None] * 8 and all("'top' has shown the same frame" in f for f in found[8:])
    watch.reset()
    assert watch.check({"top": image, "wrist": wrist}) is None


def test_limits_hold_for_any_action():
    rng, last = np.random.default_rng(0), np.zeros(3)
    for action in rng.normal(size=(200, 3)):
        allowed = limit_action(action, last, [1, 0.5, 0.2], [0.1, 0.3, np.inf])
        assert (np.abs(allowed) <= [1, 0.5, 0.2]).all() and (np.abs(allowed - last)[:2] <= np.array([0.1, 0.3]) + 1e-15).all()
        last = allowed
    assert np.array_equal(limit_action(last, last), last)


def test_what_is_not_finite_is_never_limited_into_an_action():
    for wrong in (np.nan, np.inf):
        with pytest.raises(UnsafeAction, match="not finite"):
            limit_action([0.1, wrong], None)


@pytest.mark.parametrize("wrong", [float("nan"), -1, "1", [1, -0.2]])
def test_limits_that_would_be_constants_are_refused(wrong):
    "clip(x, 1, -1) is -1 for every x, and clip(x, nan, nan) is nan."
    with pytest.raises(ValueError, match="limit=.*expected a number of at least 0"):
        limit_action([0.1, 0.2], None, limit=wrong)
    with pytest.raises(ValueError, match="max_jump=.*expected a number of at least 0"):
        limit_action([0.1, 0.2], np.zeros(2), max_jump=wrong)
    with pytest.raises(ValueError, match="limit=None"):
        limit_action([0.1, 0.2], None, limit=None)


@pytest.mark.parametrize("hold, limit, max_jump", [("still", [1.5] * 10, 0.1), ("repeat", 1.0, 0.1), ("repeat", [1.5] * 10, None)])
def test_a_policy_of_poses_gets_none_of_the_defaults_of_displacements(hold, limit, max_jump):
    check_absolute({}, "still", 1.0, None)
    check_absolute({"actions": "absolute"}, "repeat", [1.5] * 10, 0.1)
    with pytest.raises(ValueError, match="commands absolute poses.*hold='repeat'.*and a max_jump"):
        check_absolute({"actions": "absolute"}, hold, limit, max_jump)
