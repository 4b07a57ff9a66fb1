"""Tests of nbs/training/62_loop.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from prism_repro.data.windows import Windows
from prism_repro.policies.policy import Policy
from prism_repro.training.checkpoint import CheckpointError, load_checkpoint, read_meta
from prism_repro.training.loop import Run, identify, make_batch, noise_generator, train, trim_log
from prism_repro.training.settings import DEFAULTS, learning_rate, resolve


TINY = '''
import os, signal
from pathlib import Path
import numpy as np, torch
from safetensors.torch import save_file
from prism_repro.data.windows import Windows


class TinyPolicy(torch.nn.Module):
    "The smallest module with a policy's interface: one linear layer that predicts actions from an image's rows."

    def __init__(self, config):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(2 * 3 * 8, 16), torch.nn.SiLU(), torch.nn.Linear(16, 8 * 2))

    def loss(self, batch, generator):
        noise = torch.randn(batch["actions"].shape, generator=generator)
        out = self.net(batch["cam"].mean(-1).flatten(1)).view_as(noise)
        return (out - batch["actions"] - 0.1 * noise).square().mean((1, 2))

    def save_pretrained(self, folder):
        Path(folder).mkdir(parents=True)
        save_file(self.state_dict(), Path(folder) / "model.safetensors")


def tiny_windows(seed=0):
    rng = np.random.default_rng(seed)
    arrays = {"cam": rng.integers(0, 256, (60, 10, 10, 3), dtype=np.uint8), "actions": rng.uniform(-1, 1, (60, 2)).astype(np.float32)}
    return Windows(arrays, ["demo_0", "demo_1", "demo_4"], [20, 25, 15], To=2, Tp=8, Ta=4)


POLICY = {"cameras": ["cam"], "low_dim": {}, "crop_size": 8, "To": 2, "Tp": 8, "Ta": 4}
TRAIN = {"steps": 20, "batch_size": 8, "lr": 1e-2, "warmup_steps": 3, "checkpoint_every": 5, "log_every": 2, "snapshots": [9, 15]}
'''
exec(TINY)


def tiny(folder, change=None, **kw):
    kw = {"windows": tiny_windows(), "seed": 0, "progress": False, "build": TinyPolicy, **kw}
    return train(POLICY, {**TRAIN, **(change or {})}, kw.pop("windows"), folder, kw.pop("seed"), **kw)


def outcome(folder):
    names = ("final/model.safetensors", "step_000009/model.safetensors", "step_000015/model.safetensors", "log.jsonl")
    return [(folder / name).read_bytes() for name in names], load_checkpoint(folder / "checkpoint.safetensors", read_meta(folder / "checkpoint.safetensors")["identity"])[0]


def assert_same(a, b):
    (files, tensors), (other_files, other_tensors) = outcome(a), outcome(b)
    assert files == other_files
    assert tensors.keys() == other_tensors.keys() and all(torch.equal(tensors[k], other_tensors[k]) for k in tensors)


KILL = TINY + '''
import json, sys
from prism_repro.training import checkpoint, loop

folder, moment, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def die_at_call(holder, name, action=None, when=lambda *a: True):
    "Kill this process in the count-th call of holder.name, after `action`."
    original, calls = getattr(holder, name), [0]

    def patched(*args, **kw):
        calls[0] += when(*args)
        if calls[0] == count and when(*args):
            if action is not None:
                action(original, *args, **kw)
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kw)

    setattr(holder, name, patched)


def half_a_file(original, tensors, tmp, metadata):
    original(tensors, tmp, metadata)
    data = Path(tmp).read_bytes()
    Path(tmp).write_bytes(data[: len(data) // 2])


def half_a_line(original, file, entry):
    file.write(json.dumps(entry).encode()[:17])
    file.flush()


def is_checkpoint(source, target):
    return str(target).endswith("checkpoint.safetensors")


def is_final(source, target):
    return str(target).endswith("final")


match moment:
    case "mid-step":  # the optimiser has stepped, the average has not
        die_at_call(loop.EMA, "update")
    case "mid-checkpoint":
        die_at_call(checkpoint, "save_file", half_a_file)
    case "before rename":
        die_at_call(os, "replace", when=is_checkpoint)
    case "after rename":
        die_at_call(os, "replace", lambda original, *a: original(*a), when=is_checkpoint)
    case "mid-log":
        die_at_call(loop, "write_line", half_a_line)
    case "snapshot before checkpoint":  # step 15 has both
        die_at_call(loop.Run, "save")
    case "final":
        die_at_call(os, "replace", when=is_final)
loop.train(POLICY, TRAIN, tiny_windows(), folder, 0, progress=False, build=TinyPolicy)
'''


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    tiny(folder)
    return folder


@pytest.mark.parametrize(
    "moment, count, step",
    [("mid-step", 13, 10), ("mid-checkpoint", 3, 10), ("before rename", 2, 5), ("after rename", 2, 10), ("mid-log", 6, 10), ("snapshot before checkpoint", 3, 10), ("mid-step", 2, None), ("final", 1, 20)],
)
def test_killed_and_started_again_gives_the_same_bits(tmp_path, uninterrupted, moment, count, step):
    folder = tmp_path / "run"
    killed = subprocess.run([sys.executable, "-c", KILL, str(folder), moment, str(count)], capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    path = folder / "checkpoint.safetensors"
    assert (read_meta(path)["step"] if path.exists() else None) == step
    lines = (folder / "log.jsonl").read_bytes().split(b"\n")
    assert (lines[-1] != b"") == (moment == "mid-log") and not (folder / "final").exists()
    tiny(folder)
    assert_same(folder, uninterrupted)
    assert sorted(os.listdir(folder)) == [".lock", "checkpoint.safetensors", "final", "log.jsonl", "step_000009", "step_000015"]


def test_the_outcome_depends_on_the_seed_and_not_on_how_often_it_is_saved(tmp_path, uninterrupted):
    tiny(tmp_path / "a", {"checkpoint_every": 7})
    assert_same(tmp_path / "a", uninterrupted)
    tiny(tmp_path / "b", seed=1)
    assert outcome(tmp_path / "b")[0][0] != outcome(uninterrupted)[0][0]


def test_global_state_is_left_alone(tmp_path, uninterrupted):
    class Looks(TinyPolicy):
        def loss(self, batch, generator):
            assert torch.get_num_threads() == 1 and torch.are_deterministic_algorithms_enabled()
            return super().loss(batch, generator)

    threads = torch.get_num_threads()
    torch.manual_seed(7), np.random.seed(7), torch.set_num_threads(2)
    try:
        before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
        tiny(tmp_path / "a", {"deterministic": True}, build=Looks)
        assert torch.equal(before[0], torch.random.get_rng_state()) and np.array_equal(before[1], np.random.get_state()[1])
        assert torch.get_num_threads() == 2 and not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(threads)
    assert outcome(tmp_path / "a")[0] == outcome(uninterrupted)[0]


def test_a_finished_run_is_returned_at_once(uninterrupted):
    before = {p: p.stat().st_mtime_ns for p in uninterrupted.rglob("*")}

    def must_not_build(config):
        raise AssertionError("a policy was built")

    assert tiny(uninterrupted, build=must_not_build) == uninterrupted / "final"
    assert before == {p: p.stat().st_mtime_ns for p in uninterrupted.rglob("*")}


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    "change, line",
    [({"seed": 1}, "seed: expected 1, found 0"), ({"lr": 1e-3}, "training.lr: expected 0.001, found 0.01"), ({"windows": 1}, "data: expected"), ({"steps": 40}, "training.steps: expected 40, found 20")],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, finished, change, line):
    folder = tmp_path / "run"
    tiny(folder)
    if not finished:
        (folder / "final").rename(tmp_path / "elsewhere")
    kw = {"seed": change["seed"]} if "seed" in change else {"windows": tiny_windows(1)} if "windows" in change else {"change": change}
    with pytest.raises(CheckpointError) as e:
        tiny(folder, **kw)
    assert str(folder) in str(e.value) and line in str(e.value) and "Train into another folder" in str(e.value)


def test_a_damaged_checkpoint_is_refused_and_kept(tmp_path):
    folder = tmp_path / "run"
    tiny(folder)
    (folder / "final").rename(tmp_path / "elsewhere")
    path = folder / "checkpoint.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="checkpoint.safetensors.*damaged.*backup"):
        tiny(folder)
    assert path.read_bytes() == data


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    class Nosy(TinyPolicy):
        def loss(self, batch, generator):
            with pytest.raises(RuntimeError, match="Another process is training in"):
                tiny(tmp_path / "run")
            return super().loss(batch, generator)

    tiny(tmp_path / "run", {"steps": 2, "warmup_steps": 1, "snapshots": []}, build=Nosy)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, where):
    class Sick(TinyPolicy):
        calls = 0

        def loss(self, batch, generator):
            Sick.calls += 1
            loss = super().loss(batch, generator)
            if Sick.calls != 13:
                return loss
            return loss * float("nan") if where == "loss" else loss + 0 * (self.net[0].weight * 0).sum().sqrt()

    with pytest.raises(RuntimeError) as e:
        tiny(tmp_path / "run", {"batch_size": 3}, build=Sick)
    text = str(e.value)
    batch = {tiny_windows().episode_of(i)[0] for i in __import__("prism_repro.data.windows", fromlist=["x"]).batch_indices(len(tiny_windows()), 3, 0, 12)}
    assert type(e.value).__name__ == "NonFiniteLoss" and "At step 12 of seed 0" in text and "nan" in text
    assert set(re.findall(r"demo_\d+", text)) == batch and str(tmp_path / "run" / "checkpoint.safetensors") in text
    meta = read_meta(tmp_path / "run" / "checkpoint.safetensors")
    assert meta["step"] == 10
    tensors, _ = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors", meta["identity"])
    assert all(x.isfinite().all() for x in tensors.values()) and not (tmp_path / "run" / "final").exists()


@pytest.mark.parametrize("at, kept", [(15, 10), (20, 15), (9, 5)])  # a checkpoint and a snapshot; the last; a snapshot alone
def test_weights_that_are_not_finite_are_not_written(tmp_path, at, kept, monkeypatch):
    folder, update = tmp_path / "run", Run.update

    def breaks(run, *a):
        result = update(run, *a)
        if run.step == at:  # after this step's loss and gradient, which are finite
            for p in (*run.policy.parameters(), *run.ema.average.values()):
                p.data.view(-1)[0] = float("nan")
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Run, "update", breaks)
        with pytest.raises(RuntimeError, match=f"is not written: after step {at}, .* infinite or not a number, the first is net.0.weight. .*Lower lr or set grad_clip") as e:
            tiny(folder)
    assert type(e.value).__name__ == "NonFiniteLoss" and not (folder / "final").exists() and not (folder / f"step_{at:06d}").exists()
    path = folder / "checkpoint.safetensors"
    meta = read_meta(path)
    assert meta["step"] == kept and all(x.isfinite().all() for x in load_checkpoint(path, meta["identity"])[0].values())
    tiny(folder)  # the last good checkpoint is one to go on from
    assert (folder / "final").exists()


@pytest.mark.parametrize("text", [b"", b'{"identity": {', b'{"step": 20}', b"[]", None])
def test_a_damaged_note_of_a_finished_run_is_refused(tmp_path, text):
    folder = tmp_path / "run"
    note = tiny(folder) / "training.json"
    whole = note.read_bytes()
    note.write_bytes(text) if text is not None else note.unlink()
    with pytest.raises(CheckpointError, match="training.json: expected the note of a finished training, found .*move .*final away"):
        tiny(folder)
    (folder / "final").rename(tmp_path / "elsewhere")  # as the message says
    assert (tiny(folder) / "training.json").read_bytes() == whole


def test_a_checkpoint_of_a_network_that_has_changed_is_refused(tmp_path):
    class Wider(TinyPolicy):
        def __init__(self, config):
            super().__init__(config)
            self.more = nn.Linear(2, 2)

    tiny(tmp_path / "run")
    (tmp_path / "run" / "final").rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=r"(?s)checkpoint.safetensors: expected the weights of the Wider .*found others .*more.weight.*move it away"):
        tiny(tmp_path / "run", build=Wider)


def test_step_equals_adamw_and_the_average_by_hand():
    config = resolve({**TRAIN, "grad_clip": 0.05})
    torch.manual_seed(0)
    a, b = TinyPolicy(POLICY), TinyPolicy(POLICY)
    b.load_state_dict(a.state_dict())
    run, windows = Run(a, config), tiny_windows()
    optimizer = torch.optim.AdamW(b.parameters(), lr=1e-2, betas=(0.95, 0.999), eps=1e-8, weight_decay=1e-6)
    for step in range(6):
        batch = make_batch(windows, POLICY, 8, 0, step)
        loss, norm = run.update(batch, noise_generator(0, step)).tolist()
        optimizer.param_groups[0]["lr"] = learning_rate(step, config)
        own = b.loss(batch, noise_generator(0, step)).mean()
        optimizer.zero_grad()
        own.backward()
        own_norm = nn.utils.clip_grad_norm_(b.parameters(), 0.05)
        optimizer.step()
        assert loss == pytest.approx(own.item(), rel=1e-5) and norm == pytest.approx(own_norm.item(), rel=1e-5) and norm > 0.05
    for p, q in zip(a.parameters(), b.parameters()):
        assert torch.allclose(p, q, atol=1e-6)
    assert run.ema.updates == 6


def test_batches_and_noise_depend_on_seed_and_step():
    windows = tiny_windows()
    get = lambda seed, step: (make_batch(windows, POLICY, 8, seed, step), torch.randn(4, generator=noise_generator(seed, step)))
    (a, n), (b, m) = get(3, 5), get(3, 5)
    assert all(torch.equal(a[k], b[k]) for k in a) and torch.equal(n, m)
    assert a["cam"].shape == (8, 2, 3, 8, 8) and a["actions"].shape == (8, 8, 2)
    for other in (get(3, 6), get(4, 5)):
        assert not torch.equal(a["cam"], other[0]["cam"]) and not torch.equal(n, other[1])
    one = Windows({k: v[:4] for k, v in windows.arrays.items()}, ["demo_0"], [4], To=2, Tp=8, Ta=4)
    crops = [make_batch(one, POLICY, 8, seed, step)["cam"] for seed, step in ((0, 0), (0, 1), (1, 0))]  # always the same window
    assert not torch.equal(crops[0], crops[1]) and not torch.equal(crops[0], crops[2]) and not torch.equal(crops[0][0], crops[0][1])


def test_log(tmp_path, uninterrupted):
    log = [json.loads(line) for line in open(uninterrupted / "log.jsonl")]
    assert [e["step"] for e in log] == list(range(2, 21, 2)) and set(log[0]) == {"step", "loss", "lr", "grad_norm"}
    every = [json.loads(line)["loss"] for line in open(tiny(tmp_path / "every", {"log_every": 1}).parent / "log.jsonl")]
    assert [e["loss"] for e in log] == [pytest.approx((a + b) / 2, abs=1e-12) for a, b in zip(every[::2], every[1::2])]
    path = tmp_path / "log.jsonl"
    for text, kept in ((b"", 0), (b'{"step": 1}\n{"step": 2}\n{"step": 3}\n', 2), (b'{"step": 1}\n{"st', 1), (b'{"step": 1}\n{"step": 2}', 1), (b"\x00\x00\n", 0)):
        path.write_bytes(text)
        trim_log(path, 2)
        assert path.read_bytes() == b"".join(text.splitlines(keepends=True)[:kept])


def test_windows_are_checked(tmp_path):
    with pytest.raises(ValueError, match="made with Tp=8, the policy wants Tp=16"):
        train({**POLICY, "Tp": 16}, TRAIN, tiny_windows(), tmp_path, 0)
    with pytest.raises(ValueError, match=r"lack \['sideview'\]; they have \['actions', 'cam'\]"):
        train({**POLICY, "cameras": ["sideview"]}, TRAIN, tiny_windows(), tmp_path, 0)


def real_setup():
    rng, keys = np.random.default_rng(0), {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2}
    arrays = {c: rng.integers(0, 256, (60, 40, 40, 3), dtype=np.uint8) for c in ("agentview", "robot0_eye_in_hand")}
    arrays |= {k: rng.normal(size=(60, d)).astype(np.float32) for k, d in keys.items()}
    arrays["actions"] = rng.uniform(-1, 1, (60, 7)).astype(np.float32)
    config = {
        "task": "lift", "cameras": ["agentview", "robot0_eye_in_hand"], "low_dim": keys, "image_size": 40, "crop_size": 36, "To": 2, "Tp": 16, "Ta": 8, "action_dim": 7,
        "encoder": {"name": "PRISM", "width": 4, "num_kp": 4}, "unet": {"down_dims": [16, 32], "step_embed_dim": 16, "kernel_size": 5, "n_groups": 8},
        "objective": {"name": "FM", "num_steps": 3},
    }  # fmt: skip
    return config, Windows(arrays, ["demo_0"], [60])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_real_policy_resumes_exactly(tmp_path, precision):
    config, windows = real_setup()
    settings = {"steps": 5, "batch_size": 4, "checkpoint_every": 2, "warmup_steps": 1, "log_every": 1, "precision": precision}
    whole = train(config, settings, windows, tmp_path / "whole", 0, progress=False)

    class Stops(Policy):
        def loss(self, batch, generator):
            if generator.initial_seed() == noise_generator(0, 3).initial_seed():
                raise InterruptedError
            return super().loss(batch, generator)

    with pytest.raises(InterruptedError):
        train(config, settings, windows, tmp_path / "again", 0, progress=False, build=Stops.from_config)
    again = train(config, settings, windows, tmp_path / "again", 0, progress=False)
    assert (whole / "model.safetensors").read_bytes() == (again / "model.safetensors").read_bytes()
    policy = Policy.from_pretrained(again)
    assert torch.allclose(policy.normalizer.robot0_eef_pos_half, torch.from_numpy(np.ptp(windows.arrays["robot0_eef_pos"], axis=0) / 2))
    start, _ = load_checkpoint(tmp_path / "whole" / "checkpoint.safetensors", identify(config, resolve(settings), windows, 0, "cpu"))
    assert any(not torch.equal(policy.state_dict()[k], start[f"model/{k}"]) for k in policy.state_dict())  # the average, not the last weights
    assert DEFAULTS["precision"] == "float32"


def test_images_of_another_size_than_the_policy_s_are_refused(tmp_path):
    config = POLICY | {"image_size": 12}
    with pytest.raises(ValueError, match="'cam' has images of 10x10 px in the windows, the policy wants image_size=12"):
        train(config, TRAIN, tiny_windows(), tmp_path / "run", 0, build=TinyPolicy, progress=False)
