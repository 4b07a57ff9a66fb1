"""Tests of nbs/demos/50_kitchen_collect.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

pytest.importorskip("gymnasium_robotics")

from prism_repro.data.schema import open_demos, read_attrs, validate
from prism_repro.demos.kitchen import HORIZONS
from prism_repro.demos.kitchen_collect import collect_kitchen, render_kitchen
from prism_repro.envs.kitchen import TASKS, KitchenEnv


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    path = tmp_path_factory.mktemp("kitchen") / "demos.hdf5"
    report = collect_kitchen("sdoor_open", 2, path, first_seed=7, progress=False)
    assert report["successes"] == 2 and report["horizon"] == 50 == HORIZONS["sdoor_open"]
    return path


def test_a_file_is_sound_repeats_to_the_byte_and_its_actions_lead_to_its_states(demos, tmp_path):
    assert validate(demos) == [] and read_attrs(demos)["env_args"]["type"] == 2
    collect_kitchen("sdoor_open", 2, tmp_path / "again.hdf5", first_seed=7, progress=False)
    assert (tmp_path / "again.hdf5").read_bytes() == demos.read_bytes()
    env = KitchenEnv("sdoor_open")
    with open_demos(demos) as file:
        for demo in file["data"].values():
            env.reset(int(demo.attrs["seed"]))
            for state, action, solved in zip(demo["states"], demo["actions"], demo["rewards"]):
                assert np.array_equal(env.get_state(), state)
                env.step(action)
                assert env.solved() == solved
            assert env.success() and demo["rewards"][()].sum() == 6


def test_nothing_is_written_for_bad_input(demos, tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        collect_kitchen("light_on", 0, tmp_path / "none.hdf5")
    with pytest.raises(RuntimeError, match="longer horizon"):
        collect_kitchen("light_on", 1, tmp_path / "none.hdf5", horizon=2, progress=False)
    with pytest.raises(ValueError, match="the source itself"):
        render_kitchen(demos, demos, cameras=("left_cap2",), size=32)
    assert list(tmp_path.iterdir()) == [] and set(HORIZONS) == set(TASKS)


@pytest.mark.gl
def test_images_are_a_view_of_the_states(demos, tmp_path):
    report = render_kitchen(demos, tmp_path / "images.hdf5", cameras=("right_cap2",), size=48, max_demos=1, progress=False)
    assert report["demos"] == 1 and validate(tmp_path / "images.hdf5", obs=["right_cap2_image", "robot0_qpos"]) == []
    with open_demos(demos) as source, open_demos(tmp_path / "images.hdf5") as file:
        demo = file["data/demo_0"]
        images = demo["obs/right_cap2_image"][()]
        assert images.shape == (len(source["data/demo_0/actions"]), 48, 48, 3) and report["frames"] == len(images)
        assert np.array_equal(demo["states"], source["data/demo_0/states"]) and (images[0] != images[-1]).any()
    assert read_attrs(tmp_path / "images.hdf5")["image_size"] == 48
