"""Tests of nbs/crobo/76_pretrain.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from prism_repro.crobo import pretrain as module
from prism_repro.crobo.baselines import METHODS, build, load_pretrained, method_config
from prism_repro.crobo.frames import Frames, drifting_discs, write_frames
from prism_repro.crobo.pretrain import check_frames, frames_hash, held_out_losses, make_batch, pretrain, pretrained, pretraining_hashes
from prism_repro.training.loop import Run
from prism_repro.training.settings import resolve

CONFIG = {"image_size": 16, "patch_size": 8, "encoder": {"dim": 16, "depth": 1, "heads": 2}, "decoder": {"dim": 16, "depth": 1, "heads": 2}, "mask_ratio": 0.5}
TRAIN = {"steps": 8, "batch_size": 4, "warmup_steps": 2, "log_every": 2, "checkpoint_every": 3}


def discs(clips=6, seed=0):
    return drifting_discs(clips, 4, size=16, discs=1, seed=seed)[0]


def outcome(folder):
    return (folder / "final/model.safetensors").read_bytes(), (folder / "log.jsonl").read_bytes()


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("stop", [3, 5])
def test_interrupted_and_continued_is_uninterrupted_to_the_bit(tmp_path, method, stop, monkeypatch):
    config = CONFIG | {"method": method}
    pretrain(config, TRAIN, discs(), tmp_path / "whole", 0, progress=False)

    def pulled(*args):
        if args[4] == stop:
            raise KeyboardInterrupt
        return make_batch(*args)

    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        m.setattr(module, "make_batch", pulled)
        pretrain(config, TRAIN, discs(), tmp_path / "again", 0, progress=False)
    assert not (tmp_path / "again/final").exists()
    pretrain(config, TRAIN, discs(), tmp_path / "again", 0, progress=False)
    assert outcome(tmp_path / "again") == outcome(tmp_path / "whole")
    pretrain(config, TRAIN, discs(), tmp_path / "other", 1, progress=False)
    assert outcome(tmp_path / "other")[0] != outcome(tmp_path / "whole")[0]


def test_batches_depend_on_seed_and_step_alone():
    config, frames = method_config(CONFIG), discs()
    a, b = make_batch(frames, config, 4, 0, 3), make_batch(frames, config, 4, 0, 3)
    assert sorted(a) == ["source", "target"] and all(torch.equal(a[k], b[k]) for k in a)
    others = [make_batch(frames, config, 4, *key)["source"] for key in ((0, 4), (1, 3))]
    assert not any(torch.equal(a["source"], o) for o in others)
    alike = Frames(np.repeat(frames.images[:1], 8, axis=0), [("a", 8)])
    views = [make_batch(alike, config, 4, *key) for key in ((0, 3), (0, 4), (1, 3))]
    assert all(not torch.equal(a[k], b[k]) for a, b in zip(views, views[1:] + views[:1]) for k in a)  # other crops, too
    assert sorted(make_batch(frames, method_config({"method": "MAE"} | CONFIG), 4, 0, 0)) == ["target"]


def test_only_matrices_decay():
    model = build(CONFIG | {"method": "ToBo"})
    run = Run(model, resolve(module.RECIPE | TRAIN))
    decayed, spared = run.optimizer.param_groups
    names = {id(p): n for n, p in model.named_parameters()}
    assert decayed["weight_decay"] == 0.05 and spared["weight_decay"] == 0
    assert all(p.ndim >= 2 and names[id(p)].endswith("weight") and "norm" not in names[id(p)] for p in decayed["params"])
    assert {names[id(p)] for p in spared["params"]} >= {"encoder.cls_token", "decoder.mask_token", "encoder.norm.weight", "decoder.head.bias", "encoder.patch_embed.proj.bias"}
    assert len(decayed["params"]) + len(spared["params"]) == len(names)


def test_the_weights_are_the_last_ones_not_an_average(tmp_path):
    final = pretrain(CONFIG, TRAIN | {"checkpoint_every": 8}, discs(), tmp_path, 0, progress=False)
    from safetensors.torch import load_file

    checkpoint, model = load_file(tmp_path / "checkpoint.safetensors"), load_file(final / "model.safetensors")
    assert all(torch.equal(checkpoint[f"model/{n}"], x) for n, x in model.items())


@pytest.mark.parametrize("frames, config, text", [
    (Frames(np.zeros((4, 6, 9, 3), np.uint8), [("a", 4)]), CONFIG, "Frames of 6x9 px are smaller than a patch of 8 px"),
    (Frames(np.zeros((2, 16, 16, 3), np.uint8), [("a", 1), ("b", 1)]), CONFIG | {"method": "ToBo"}, "ToBo takes two moments of a clip, and each of the 2 clips"),
    (Frames(np.zeros((4, 16, 16, 3), np.uint8), [("a", 4)]), CONFIG | {"mask_ratio": 0.9}, "leaves 0 of 4 patches visible"),
])
def test_frames_that_do_not_fit_are_refused_before_anything_is_written(tmp_path, frames, config, text):
    with pytest.raises(ValueError, match=text):
        pretrain(config, TRAIN, frames, tmp_path / "run", 0, progress=False)
    assert not (tmp_path / "run/final").exists() and not (tmp_path / "run/checkpoint.safetensors").exists()
    check_frames(discs(), method_config(CONFIG))


def test_another_clip_s_token_is_paired_with_the_same_mask():
    model = build(CONFIG).eval()
    frames = discs()
    own = held_out_losses(model, frames, n=10, batch_size=6)
    assert len(own["own"]) == len(own["other"]) == 10 and own == held_out_losses(model, frames, n=10, batch_size=6)
    model.token = lambda images: torch.zeros(len(images), 16)  # a token that says nothing
    blind = held_out_losses(model, frames, n=10, batch_size=6)
    assert blind["own"] == blind["other"]
    assert "other" not in held_out_losses(build(CONFIG | {"method": "MAE"}), frames, n=4, batch_size=4)


def test_names_follow_configuration_frames_and_seeds(tmp_path):
    clips = lambda seed: [(f"c{i}", discs(1, seed + i).images) for i in range(3)]
    a, b = (write_frames(tmp_path / f"{s}.hdf5", clips(s), {"fps": 10}) for s in (0, 5))
    settings = {"model": CONFIG, "train": TRAIN, "seeds": [0, 1]}
    base = pretraining_hashes(settings, a)
    assert pretraining_hashes(settings | {"model": CONFIG | {"method": "CroBo", "views": {}}}, a) == base
    assert pretraining_hashes(settings | {"train": TRAIN | {"lr": 1e-4}}, a)["config"] != base["config"] and pretraining_hashes(settings, b)["data"] != base["data"]
    same = [write_frames(tmp_path / f"r{s}.hdf5", clips(s), {"recipe": "solids 7"}) for s in (0, 5)]
    assert frames_hash(same[0]) == frames_hash(same[1]) != frames_hash(a)
    finals = pretrained(settings, a, root=tmp_path / "work", workers=1, progress=False)
    before = {s: f.stat().st_mtime_ns for s, f in finals.items()}
    assert sorted(finals) == [0, 1] and pretrained(settings, a, root=tmp_path / "work") == finals and {s: f.stat().st_mtime_ns for s, f in finals.items()} == before
    assert load_pretrained(finals[1]).method == "CroBo"


SCRIPT = """
import sys
from prism_repro.crobo.frames import drifting_discs
from prism_repro.crobo.pretrain import pretrain
pretrain({config}, {train} | {{"precision": "float32", "betas": [0.9, 0.95]}}, drifting_discs(6, 4, size=16, discs=1)[0], sys.argv[1], 0, progress=False)
"""


@pytest.mark.slow
def test_two_processes_learn_as_one_model(tmp_path):
    "Under torchrun the ranks share each batch; both runs go on to the end, and a second run gives the same bits."
    script = tmp_path / "run.py"
    script.write_text(SCRIPT.format(config=CONFIG, train=TRAIN))
    for name in ("a", "b"):
        subprocess.run([sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", script, tmp_path / name], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, timeout=120)
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b") and json.loads(outcome(tmp_path / "a")[1].splitlines()[-1])["step"] == 8
