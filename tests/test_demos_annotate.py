"""Tests of nbs/demos/44_annotate.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("robosuite")

from prism_repro.data.schema import read_attrs, validate, write_demos
from prism_repro.demos.annotate import annotate
from prism_repro.envs.robosuite import PARTS, RobosuiteEnv

CAMERAS = ("agentview", "robot0_eye_in_hand")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    env, episodes = RobosuiteEnv("lift", None), []
    for seed, steps in enumerate((7, 5)):
        env.reset(seed)
        actions, states = np.random.default_rng(seed).uniform(-1, 1, (steps, 7)), []
        for action in actions:
            states.append(env.get_state())
            env.step(action)
        episodes.append({"states": np.stack(states), "actions": actions, "model_file": env.model_xml(), "attrs": {"seed": seed}})
    return write_demos(tmp_path_factory.mktemp("annotate") / "demos.hdf5", episodes, attrs={"env_args": env.env_args(), "task": "lift"}, valid_fraction=0.5)


@pytest.mark.gl
@pytest.mark.slow
def test_annotations_are_the_simulator_s_at_every_kept_step(source, tmp_path):
    annotate(source, tmp_path / "1.hdf5", cameras=CAMERAS, size=32, every=3, workers=1, progress=False)
    assert validate(tmp_path / "1.hdf5", [f"{c}_image" for c in CAMERAS]) == []
    env = RobosuiteEnv("lift")
    with h5py.File(tmp_path / "1.hdf5") as new, h5py.File(source) as old:
        for name, steps in (("demo_0", [0, 3, 6]), ("demo_1", [0, 3])):
            demo = new["data"][name]
            assert demo["step"][()].tolist() == steps and demo["contact"].dtype == bool
            assert np.array_equal(demo["actions"], old["data"][name]["actions"][()][steps]) and np.array_equal(demo["states"], old["data"][name]["states"][()][steps])
            for row, state in enumerate(demo["states"]):
                env.set_state(state)
                position, rotation = env.pose("cube_main")
                assert np.array_equal(demo["object_pos"][row], position) and not demo["contact"][row]
                for key, value in env.low_dim().items():
                    assert np.array_equal(demo["obs"][key][row], value), key
                for camera in CAMERAS:
                    assert np.array_equal(demo["obs"][f"{camera}_image"][row], env.render(camera, 32))
                    mask = demo["masks"][camera][row]
                    assert mask.dtype == np.uint8 and np.array_equal(mask == PARTS["object"], np.isin(env.render(camera, 32, segmentation=True), env.geoms("cube_main")))
        assert all((new["data/demo_0/masks/agentview"][0] == number).any() for number in (0, PARTS["object"], PARTS["gripper"]))  # the arm comes into view later
        assert new["mask"]["train"][()].tolist() == old["mask"]["train"][()].tolist()
    env.close()


@pytest.mark.gl
@pytest.mark.slow
def test_the_first_demos_alone_and_settings_that_keep_nothing(source, tmp_path):
    report = annotate(source, tmp_path / "one.hdf5", cameras=CAMERAS[:1], size=16, max_demos=1, workers=1, progress=False)
    with h5py.File(tmp_path / "one.hdf5") as file:
        assert list(file["data"]) == ["demo_0"] and report["demos"] == 1 and len(file["data/demo_0/step"]) == 7
    assert read_attrs(tmp_path / "one.hdf5")["mask_labels"] == PARTS and validate(tmp_path / "one.hdf5") == []
    for wrong in (dict(every=0), dict(max_demos=0)):
        with pytest.raises(ValueError, match="keep nothing"):
            annotate(source, tmp_path / "none.hdf5", cameras=CAMERAS, size=16, **wrong)
    with pytest.raises(FileNotFoundError, match="no demonstration file"):
        annotate(tmp_path / "nowhere.hdf5", tmp_path / "none.hdf5", cameras=CAMERAS, size=16)
