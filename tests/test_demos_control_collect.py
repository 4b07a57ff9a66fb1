"""Tests of nbs/demos/52_control_collect.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

pytest.importorskip("dm_control")

from prism_repro.data.schema import open_demos, read_attrs, validate
from prism_repro.demos.control_collect import collect_control, render_control
from prism_repro.envs.control import ControlEnv

QUICK = dict(first_seed=7, action_repeat=20, progress=False)


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    path = tmp_path_factory.mktemp("control") / "demos.hdf5"
    assert collect_control("reacher_easy", 3, path, **QUICK)["length"] == 50
    return path


def test_a_file_is_sound_repeats_to_the_byte_and_its_actions_lead_to_its_states(demos, tmp_path):
    assert validate(demos) == [] and read_attrs(demos)["env_args"]["type"] == 2
    collect_control("reacher_easy", 3, tmp_path / "again.hdf5", **QUICK)
    assert (tmp_path / "again.hdf5").read_bytes() == demos.read_bytes()
    collect_control("reacher_easy", 3, tmp_path / "noisy.hdf5", noise=0.2, **QUICK)
    assert (tmp_path / "noisy.hdf5").read_bytes() != demos.read_bytes()
    env = ControlEnv("reacher_easy", action_repeat=20)
    with open_demos(demos) as file:
        assert len(file["data"]) == 3
        for demo in file["data"].values():
            env.reset(int(demo.attrs["seed"]))
            for state, action, reward, velocity in zip(demo["states"], demo["actions"], demo["rewards"], demo["obs/velocity"]):
                assert np.array_equal(env.get_state(), state) and np.array_equal(env.low_dim()["velocity"], velocity)
                assert env.step(action) == reward
            assert env.score() == demo.attrs["score"] and demo["rewards"][()].sum() == pytest.approx(10 * env.score())


def test_nothing_is_written_for_bad_input(demos, tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        collect_control("reacher_easy", 0, tmp_path / "none.hdf5")
    with pytest.raises(FileNotFoundError, match="no expert"):
        collect_control("walker_walk", 1, tmp_path / "none.hdf5", expert=tmp_path / "nobody.safetensors")
    with pytest.raises(ValueError, match="the source itself"):
        render_control(demos, demos, size=32)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gl
def test_images_are_a_view_of_the_states(demos, tmp_path):
    report = render_control(demos, tmp_path / "images.hdf5", size=48, max_demos=2, progress=False)
    assert report["demos"] == 2 and validate(tmp_path / "images.hdf5", obs=["fixed_image", "to_target"]) == []
    with open_demos(demos) as source, open_demos(tmp_path / "images.hdf5") as file:
        demo = file["data/demo_0"]
        images = demo["obs/fixed_image"][()]
        assert images.shape == (50, 48, 48, 3) and report["frames"] == 100
        assert np.array_equal(demo["states"], source["data/demo_0/states"]) and (images[0] != images[-1]).any()
    assert read_attrs(tmp_path / "images.hdf5")["image_size"] == 48
