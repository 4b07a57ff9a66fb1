"""Tests of nbs/demos/49_episodes.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.data.schema import open_demos, read_attrs, write_demos
from prism_repro.demos.episodes import draw_states, stack_episode


class Grey:
    "A stand-in for a simulator: drawing real ones is tested where they are collected."

    gl = "none"

    def set_state(self, state):
        self.value = state[0]

    def render(self, camera, size):
        return np.full((size, size, 3), self.value + (camera == "b"), np.uint8)


def write(path):
    episodes = [stack_episode([(np.zeros(1), np.array([10.0 * i + t]), {"x": np.array([t])}, 0) for t in range(3)], seed=i) for i in range(3)]
    write_demos(path, episodes, attrs=dict(env_args=dict(env_name="grey", type=2, env_kwargs={}), task="grey"))
    return path


def test_every_state_is_drawn_through_every_camera_and_the_rest_is_kept(tmp_path):
    report = draw_states(write(tmp_path / "demos"), tmp_path / "images", Grey(), cameras=("a", "b"), size=2, max_demos=2, attrs=dict(render="plain"), progress=False)
    assert (report["demos"], report["frames"]) == (2, 12)
    with open_demos(tmp_path / "demos") as source, open_demos(tmp_path / "images") as file:
        assert list(file["data"]) == ["demo_0", "demo_1"]
        for name, demo in file["data"].items():
            states = source["data"][name]["states"][()]
            assert np.array_equal(demo["states"], states) and np.array_equal(demo["obs/x"], source["data"][name]["obs/x"])
            for more, camera in enumerate("ab"):
                assert np.array_equal(demo[f"obs/{camera}_image"][:, 1, 1, 2], states[:, 0] + more)
    about = read_attrs(tmp_path / "images")
    assert (about["task"], about["image_size"], about["render"], about["gl"]) == ("grey", 2, "plain", "none")


def test_the_source_is_not_overwritten_and_a_failure_leaves_nothing(tmp_path):
    before = write(tmp_path / "demos").read_bytes()
    with pytest.raises(ValueError, match="the source itself"):
        draw_states(tmp_path / "demos", tmp_path / "demos", Grey(), cameras=("a",), size=2)

    class Broken(Grey):
        def set_state(self, state):
            assert state[0] < 10
            super().set_state(state)

    with pytest.raises(AssertionError):
        draw_states(tmp_path / "demos", tmp_path / "images", Broken(), cameras=("a",), size=2, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["demos"] and (tmp_path / "demos").read_bytes() == before
