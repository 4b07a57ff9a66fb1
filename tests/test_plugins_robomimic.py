"""Tests of nbs/plugins/88_robomimic.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from prism_repro.data.schema import read_attrs, write_demos

ROOT = Path(__file__).resolve().parents[1]
BUILD = [sys.executable, str(ROOT / "bench/peers/build.py")]


def peers_python(*args):
    "The interpreter of the peers' environment; skips the test, with the reason, where there is none."
    said = subprocess.run([*BUILD, "--check", *args], capture_output=True, text=True)
    if said.returncode:
        pytest.skip(said.stdout.strip() or said.stderr.strip()[-300:])
    return said.stdout.strip()


@pytest.fixture(scope="module")
def peers():
    "Run one of the scripts of bench/peers/ there, and read the JSON that it prints last."
    python = peers_python()

    def run(script, *args):
        env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        done = subprocess.run([python, str(ROOT / "bench/peers" / script), *map(str, args)], capture_output=True, text=True, env=env, cwd=ROOT)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="module")
def lift(peers, tmp_path_factory):
    "A folder with three demonstrations of Lift, their images as we draw them, and two states of two demos drawn as robosuite ships."
    pytest.importorskip("robosuite")
    from prism_repro.demos.collect import collect
    from prism_repro.demos.observe import render_observations
    from prism_repro.envs.rendering import RenderSettings

    folder, cameras = tmp_path_factory.mktemp("lift"), ("agentview", "robot0_eye_in_hand")
    collect("lift", 3, folder / "demos.hdf5", workers=1)
    with h5py.File(folder / "demos.hdf5") as file:
        ends = [{**{key: demo[key][[0, -1]] for key in ("states", "actions")}, "model_file": demo.attrs["model_file"]}
                for demo in (file["data/demo_0"], file["data/demo_1"])]
    write_demos(folder / "ends.hdf5", ends, attrs={key: read_attrs(folder / "demos.hdf5")[key] for key in ("env_args", "task")})
    quiet = dict(cameras=cameras, size=84, workers=1, progress=False)
    render_observations(folder / "demos.hdf5", folder / "observations.hdf5", **quiet)
    render_observations(folder / "ends.hdf5", folder / "shipped.hdf5", render=RenderSettings(fast=False, thin=1.0), **quiet)
    return folder


def test_a_missing_robomimic_is_a_sentence_and_nothing_else_needs_it():
    code = ("import sys; sys.modules['robomimic'] = None; import prism_repro.vision.build, prism_repro.policies.unet, prism_repro.plugins, prism_repro.data.schema\n"
            "import prism_repro.plugins.robomimic")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert "ModuleNotFoundError: The robomimic plug-in needs robomimic" in done.stderr and "pip install robomimic" in done.stderr


def test_where_the_peers_cannot_be_built_the_reason_is_given(tmp_path):
    offline = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")} | {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    built = subprocess.run([*BUILD, "--at", str(tmp_path)], capture_output=True, text=True, env=offline, timeout=60)
    assert built.returncode == 0 and "cannot be built" in built.stdout and "robomimic==0.3.0" in built.stdout
    with pytest.raises(pytest.skip.Exception, match="cannot be built.*robomimic==0.3.0"):
        peers_python("--at", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="was not built: run"):
        peers_python("--at", str(tmp_path / "elsewhere"))


def equal(difference, tolerance=1e-6):
    assert difference <= tolerance


def test_spatial_softmax_equals_robomimics(peers):
    result = peers("check_softmax.py")
    equal(result["grid"], 0)
    assert len(result["cases"]) == 6
    for case in result["cases"]:
        equal(case["keypoints"])
        equal(case["gradient"])
        with pytest.raises(AssertionError):
            equal(case["swapped"])


def compare_unets(result):
    assert len(result["cases"]) == 3
    for case in result["cases"]:
        equal(case["output"])
        assert case["largest"] > 0.1
        with pytest.raises(AssertionError):
            equal(case["swapped"])


def test_unet_equals_diffusion_policys_as_robomimic_carries_it(peers):
    result = peers("check_unet.py")
    assert result["module"] == "diffusion_policy_nets"
    compare_unets(result)


def test_unet_equals_diffusion_policys_own(peers):
    clone = os.environ.get("DIFFUSION_POLICY")
    if not clone:
        pytest.skip("no clone of github.com/real-stanford/diffusion_policy to compare with: name one in the environment variable DIFFUSION_POLICY")
    result = peers("check_unet.py", clone)
    assert result["module"] == "diffusion_policy.model.diffusion.conditional_unet1d"
    compare_unets(result)


def learned(result):
    assert result["cores"] == ["PRISM", "PRISM"] and result["features"] == [[32], [32]]
    before, after = result["losses"]
    assert 0 < after < 0.95 * before
    assert result["moved"] == result["tensors"] > 100  # every tensor inside both encoders
    assert len(result["action"]) == 7 and all(abs(a) <= 1 for a in result["action"])


@pytest.mark.gl
@pytest.mark.slow
def test_robomimics_bc_trains_an_epoch_with_prism_inside(peers, lift):
    config, data = ROOT / "bench/peers/bc_prism.json", lift / "observations.hdf5"
    learned(peers("train_bc.py", config, data, lift / "trained"))
    broken = peers("train_bc.py", config, data, lift / "cut", "--cut")
    assert broken["moved"] == 0
    with pytest.raises(AssertionError):
        learned(broken)


@pytest.mark.gl
@pytest.mark.slow
def test_robomimic_replays_our_files(peers, lift):
    result = peers("replay.py", "actions", lift / "demos.hdf5")
    assert result["env"] == "EnvRobosuite" and len(result["demos"]) == 3
    for demo in result["demos"].values():
        assert demo["as_is"]["success"] and demo["restored"]["success"] and demo["steps"] > 20
        equal(demo["restored"]["states"], 1e-3)
    with pytest.raises(AssertionError):
        equal(result["late"]["states"], 1e-3)


@pytest.mark.gl
@pytest.mark.slow
def test_robomimic_sees_what_our_files_hold(peers, lift):
    for step in peers("replay.py", "looks", lift / "shipped.hdf5").values():
        for key, difference in step.items():
            equal(difference, 1e-6 if not key.startswith(("agentview", "robot0_eye")) else 0.05 if key.endswith("image") else 255)
            if key.endswith("upside down"):
                with pytest.raises(AssertionError):
                    equal(difference, 0.05)
