"""Tests of nbs/envs/29_osc.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

robosuite = pytest.importorskip("robosuite")

from prism_repro.envs.osc import OSCPose, _span


def test_states_equal_robosuite_s_own_over_two_episodes():
    "Through contacts, extreme and out-of-range actions, and a second episode in the same environments."
    pair = [robosuite.make("Lift", robots="Panda", has_renderer=False, has_offscreen_renderer=False, use_camera_obs=False, hard_reset=False, seed=1) for _ in range(2)]
    osc = OSCPose(pair[1])
    rng = np.random.default_rng(2)
    for episode in range(2):
        for env in pair:
            env.reset()
        down = np.array([0.1, 0, -1, 0, 0, 0.2, 1])
        for step in range(80):
            action = down if step < 40 else rng.uniform(-2, 2, 7).round(1)
            pair[0].step(action)
            osc.step(action)
            states = [env.sim.get_state().flatten() for env in pair]
            assert np.array_equal(*states), (episode, step)
        assert pair[0].sim.data.ncon == pair[1].sim.data.ncon


def test_scattered_joints_are_refused():
    assert _span([3, 4, 5]) == slice(3, 6)
    with pytest.raises(ValueError, match="not consecutive"):
        _span([0, 2, 3])
