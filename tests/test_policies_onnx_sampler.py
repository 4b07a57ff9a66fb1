"""Tests of nbs/policies/58_onnx_sampler.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from prism_repro.data.crops import center_crop
from prism_repro.evaluation.rollouts import run_episode
from prism_repro.hashes import config_hash
from prism_repro.policies import onnx, onnx_sampler
from prism_repro.policies.ddpm import DDPM
from prism_repro.policies.flow_matching import FlowMatching
from prism_repro.policies.meanflow import MeanFlow
from prism_repro.policies.onnx_sampler import OnnxPolicy
from prism_repro.policies.policy import Policy


CONFIG = {
    "task": "lift", "cameras": ["b_cam", "a_cam"], "low_dim": {"robot0_gripper_qpos": 1, "robot0_eef_pos": 3}, "image_size": 37, "crop_size": 32,
    "Tp": 8, "Ta": 4, "action_dim": 7, "unet": {"down_dims": [8, 16], "step_embed_dim": 16, "n_groups": 2}, "objective": {"name": "FM"},
}  # groups of one channel would have nearly no variance now and then, and magnify rounding by hundreds, torch's own too
OBJECTIVES = {"FM-10": FlowMatching(10), "MF-1": MeanFlow(), "DDIM-10": DDPM(num_steps=10, sampler="DDIM")}
ENCODERS = {  # their conditions are all of length 40, so that one UNet serves all policies
    ("SSPool", 1): {"cameras": ["b_cam", "a_cam"], "encoder": {"name": "SSPool", "width": 4, "stages": 1, "num_kp": 9}},
    ("SSPool", 2): {"cameras": ["b_cam", "a_cam"], "encoder": {"name": "SSPool", "width": 4, "stages": 1, "num_kp": 4}},
    ("PRISM", 1): {"cameras": ["a_cam"], "encoder": {"name": "PRISM", "width": 4, "stages": 3, "num_kp": 18}},
}
CASES = list(ENCODERS)  # PRISM with To=2 is on the page


def make_policy(encoder, To):
    policy = Policy.from_config(CONFIG | ENCODERS[encoder, To] | {"To": To}, seed=To).eval()
    g = torch.Generator().manual_seed(1)
    for key in ("robot0_eef_pos", "robot0_gripper_qpos", "actions"):
        getattr(policy.normalizer, f"{key}_centre").uniform_(-0.2, 0.2, generator=g)
        getattr(policy.normalizer, f"{key}_half").uniform_(0.2, 0.5, generator=g)
    return policy


def look(To, B, seed=0):
    "Smooth pictures with noise, as bytes; positions a little beyond the ranges of `make_policy`."
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:37, 0:37] / 37
    wave = np.sin(8 * x[..., None] * rng.uniform(size=(B, To, 1, 1, 3)) + 8 * y[..., None] + rng.uniform(0, 6, size=(B, To, 1, 1, 3)))
    images = {camera: np.clip(127 + 100 * wave + rng.normal(0, 15, wave.shape), 0, 255).astype(np.uint8) for camera in CONFIG["cameras"]}
    return images | {key: rng.uniform(-0.4, 0.4, (B, To, d)).astype(np.float32) for key, d in CONFIG["low_dim"].items()}


def torch_chunk(policy, observation, noise):
    batch = {k: torch.as_tensor(center_crop(x, 32) if k in CONFIG["cameras"] else x) for k, x in observation.items()}
    return policy.predict(batch, torch.as_tensor(noise)).numpy()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    "Each encoder's graph is made once, the UNet's once with and once without r."
    torch.set_num_threads(1)
    made, denoisers, unet = {}, {}, make_policy("SSPool", 1).unet
    for encoder, To in CASES:
        policy = make_policy(encoder, To)
        policy.unet = unet
        graph = onnx.encoder_graph(policy)
        for name, policy.objective in OBJECTIVES.items():
            times, folder = 2 if name == "MF-1" else 1, tmp_path_factory.mktemp("onnx")
            if times not in denoisers:
                denoisers[times] = onnx.denoiser_graph(policy)
            onnx.write_graphs(policy, folder, graph, denoisers[times])
            made[encoder, To, name] = policy, folder
    return made


def check(onnx_policy, policy, To):
    "Largest difference over two batches, of whole chunks and of executed actions."
    worst = 0.0
    for B in (1, 3):
        observation = look(To, B, seed=B)
        noise = np.random.default_rng(B).standard_normal((B, 8, 7)).astype(np.float32)
        expected, found = torch_chunk(policy, observation, noise), onnx_policy.predict(observation, noise)
        assert found.dtype == np.float32
        worst = max(worst, float(np.abs(found - expected).max()))
        one = onnx_policy.act({k: x[-1] for k, x in observation.items()}, noise[-1])
        worst = max(worst, float(np.abs(one - expected[-1, To - 1 : To + 3]).max()))
    assert worst < 1e-4, worst
    return worst


@pytest.mark.parametrize("objective", list(OBJECTIVES))
@pytest.mark.parametrize("encoder,To", CASES)
def test_numpy_and_onnx_equal_torch(exported, encoder, To, objective):
    policy, folder = exported[encoder, To, objective]
    policy.objective = OBJECTIVES[objective]
    print(encoder, To, objective, f"{check(OnnxPolicy(folder), policy, To):.1e}")


def swapped_ends(net, noise, num_steps, time_scale):
    x = noise
    for n in range(num_steps, 0, -1):
        x = x + net(x, n / num_steps * time_scale) / num_steps
    return x


def without_sign(net, noise, num_steps, time_scale):
    return noise + net(noise, time_scale, 0.0)


def swapped_times(net, noise, num_steps, time_scale):
    return noise - net(noise, 0.0, time_scale)


def unclipped(net, noise, steps, signal, clip):
    return REAL_DDIM(net, noise, steps, signal, None)


def stale_signal(net, noise, steps, signal, clip):
    return REAL_DDIM(net, noise, steps, [*signal[:-1], signal[-2]], clip)


REAL_DDIM = onnx_sampler.ddim


@pytest.mark.parametrize("objective,name,broken", [
    ("FM-10", "flow_matching", swapped_ends), ("MF-1", "meanflow", without_sign), ("MF-1", "meanflow", swapped_times),
    ("DDIM-10", "ddim", unclipped), ("DDIM-10", "ddim", stale_signal),
])
def test_a_broken_sampler_fails_the_same_check(exported, monkeypatch, objective, name, broken):
    policy, folder = exported["SSPool", 1, objective]
    policy.objective = OBJECTIVES[objective]
    monkeypatch.setattr(onnx_sampler, name, broken)
    with pytest.raises(AssertionError):
        check(OnnxPolicy(folder), policy, 1)


@pytest.mark.parametrize("part", ["mean", "std", "scale", "low_dim"])
def test_a_forgotten_normalisation_fails_the_same_check(exported, part):
    policy, folder = exported["SSPool", 2, "FM-10"]
    policy.objective, onnx_policy = OBJECTIVES["FM-10"], OnnxPolicy(folder)
    saved = {k: x.clone() for k, x in policy.named_buffers()}
    match part:
        case "mean":
            policy.encoder.mean.zero_()
        case "std":
            policy.encoder.std.fill_(1)
        case "scale":
            onnx_policy.page["actions"]["scale"] = [1.0] * 7
        case "low_dim":
            policy.normalizer.robot0_eef_pos_half.fill_(1)
    with pytest.raises(AssertionError):
        check(onnx_policy, policy, 2)
    for name, x in policy.named_buffers():
        x.copy_(saved[name])
    check(OnnxPolicy(folder), policy, 2)


def test_more_steps_of_meanflow_and_unclipped_ddim_follow_torch(exported):
    for objective in (MeanFlow(num_steps=3), DDPM(train_steps=50, num_steps=7, sampler="DDIM", clip=None)):
        name = "MF-1" if isinstance(objective, MeanFlow) else "DDIM-10"
        policy, folder = exported["SSPool", 1, name]
        policy.objective, onnx_policy = objective, OnnxPolicy(folder)
        onnx_policy.page["objective"] = onnx._objective(objective)
        check(onnx_policy, policy, 1)


class FakeEnv:
    "Pictures that depend on seed and step alone; done after ten steps."

    def reset_evaluation(self, seed):
        self.seed, self.actions = seed, []

    def low_dim(self):
        return {k: x[0, 0].astype(np.float64) for k, x in self.seen().items() if k in CONFIG["low_dim"]}

    def render(self, camera, size):
        return self.seen()[camera][0, 0]

    def seen(self):
        return look(1, 1, seed=self.seed * 100 + len(self.actions))

    def step(self, action):
        self.actions.append(action)

    def success(self):
        return len(self.actions) == 10

    def get_state(self):
        return np.zeros(1)


class TorchActor:
    def __init__(self, policy):
        self.policy, self.config = policy, policy.config

    def act(self, observation, noise):
        To = self.config["To"]
        return torch_chunk(self.policy, {k: x[None] for k, x in observation.items()}, noise[None])[0, To - 1 : To + 3]


def test_run_episode_takes_it_for_an_actor(exported):
    policy, folder = exported["SSPool", 2, "DDIM-10"]
    policy.objective, envs = OBJECTIVES["DDIM-10"], (FakeEnv(), FakeEnv())
    episodes = [run_episode(actor, env, 7, 20) for actor, env in zip((OnnxPolicy(folder), TorchActor(policy)), envs)]
    assert [e["length"] for e in episodes] == [10, 10]
    np.testing.assert_allclose(envs[0].actions, envs[1].actions, atol=1e-4)


def test_it_runs_without_torch(exported, tmp_path):
    policy, folder = exported["PRISM", 1, "MF-1"]
    policy.objective, observation = OBJECTIVES["MF-1"], look(1, 1)
    noise = np.random.default_rng(0).standard_normal((1, 8, 7)).astype(np.float32)
    np.savez(tmp_path / "in.npz", noise=noise[0], **{k: x[0] for k, x in observation.items()})
    code = (
        "import sys\nclass Wall:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'jaxtyping', 'onnxscript', 'safetensors', 'h5py', 'tqdm'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Wall())\nimport numpy as np\nfrom prism_repro.policies.onnx_sampler import OnnxPolicy\n"
        "x = dict(np.load(sys.argv[2]))\nnoise = x.pop('noise')\nnp.save(sys.argv[3], OnnxPolicy(sys.argv[1]).act(x, noise))\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder), str(tmp_path / "in.npz"), str(tmp_path / "out.npy")], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), torch_chunk(policy, observation, noise)[0, :4], atol=1e-4)


def test_observations_that_do_not_fit_are_refused(exported):
    onnx_policy = OnnxPolicy(exported["SSPool", 2, "FM-10"][1])
    good, noise = {k: x[0] for k, x in look(2, 1).items()}, np.zeros((8, 7))
    onnx_policy.act(good | {"not_needed": np.zeros(3)}, noise)
    for change, match in (
        ({"a_cam": good["a_cam"][:1]}, "To=2 time steps"), ({"a_cam": good["a_cam"][:, :32, :32]}, "uncropped"),
        ({"a_cam": good["a_cam"] / 255}, "float64, expected uint8"), ({"robot0_eef_pos": np.zeros((2, 4))}, r"\[1, 2, 4\], expected \[B, 2, 3\]"),
        ({"robot0_eef_pos": np.full((2, 3), np.nan)}, "'robot0_eef_pos' holds something that is no finite number"), ({"robot0_eef_pos": np.full((2, 3), "left")}, "no finite number"),
    ):
        with pytest.raises(ValueError, match=match):
            onnx_policy.act(good | change, noise)
    with pytest.raises(KeyError, match="lacks 'b_cam'"):
        onnx_policy.act({k: x for k, x in good.items() if k != "b_cam"}, noise)
    with pytest.raises(ValueError, match=r"expected noise \(1, 8, 7\)"):
        onnx_policy.act(good, np.zeros((4, 7)))
    with pytest.raises(ValueError, match="1 of 56 numbers of the noise are not finite"):
        onnx_policy.act(good, np.where(np.arange(56).reshape(8, 7) == 3, np.nan, 0.5))
    with pytest.raises(ValueError, match="batch of no observations"):
        onnx_policy.predict({k: x[None][:0] for k, x in good.items()}, noise[None][:0])
    with pytest.raises(ValueError, match=r"of \[1, 3\] sample"):
        onnx_policy.predict({k: x[None] for k, x in good.items()} | {"a_cam": look(2, 3)["a_cam"]}, noise[None])


@pytest.fixture
def folder(exported, tmp_path):
    for path in exported["SSPool", 1, "FM-10"][1].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize("name", ["policy.json", "encoder.onnx", "denoiser.onnx"])
def test_missing_and_damaged_files_are_refused(folder, name):
    whole = (folder / name).read_bytes()
    middle = len(whole) // 2
    for damaged in (b"", whole[:-2], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]):
        (folder / name).write_bytes(damaged)
        with pytest.raises(ValueError, match=f"(?s){name}.*expected.*found"):
            OnnxPolicy(folder)
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing.*expected.*found"):
        OnnxPolicy(folder)


def test_foreign_folders_are_refused(folder):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        OnnxPolicy(folder / "nowhere")
    page = json.loads((folder / "policy.json").read_text())
    del page["sha256"]
    for change, match in (
        ({"kind": "prism_repro policy"}, "expected kind 'prism_repro onnx policy', found 'prism_repro policy'"), ({"version": 2}, "expected version 1, found 2"),
        ({"sha256": "0" * 64}, "expected sha256 '000000000000', found .*edited or damaged"),
    ):
        (folder / "policy.json").write_text(json.dumps({"sha256": config_hash(page | change), **page, **change}))
        with pytest.raises(ValueError, match=match):
            OnnxPolicy(folder)
    (folder / "policy.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="found None"):
        OnnxPolicy(folder)


def test_an_unknown_sampler_names_ddim(folder):
    page = json.loads((folder / "policy.json").read_text()) | {"objective": {"name": "DDPM"}}
    del page["sha256"]
    (folder / "policy.json").write_text(json.dumps(page | {"sha256": config_hash(page)}))
    with pytest.raises(ValueError, match="no sampler 'DDPM': expected FM, MF or DDIM.*export the policy with DDIM"):
        OnnxPolicy(folder).act({k: x[0] for k, x in look(1, 1).items()}, np.zeros((8, 7)))


def test_a_missing_runtime_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModuleNotFoundError, match="pip install onnxruntime"):
        OnnxPolicy(folder)
