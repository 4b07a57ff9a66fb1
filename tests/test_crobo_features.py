"""Tests of nbs/crobo/77_features.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json

import numpy as np
import pytest
import safetensors.torch
import torch

from prism_repro.crobo.baselines import build, random_vit
from prism_repro.crobo.features import extractors, fit, pretrained_folder
from prism_repro.crobo.frames import drifting_discs, write_frames
from prism_repro.crobo.pretrain import pretrained, pretraining_config, pretraining_hashes
from prism_repro.hashes import to_text
from prism_repro.policies.policy import Policy
from prism_repro.training.cells import work_folder

VIT = {"image_size": 32, "patch_size": 8, "encoder": {"dim": 32, "depth": 1, "heads": 2}, "decoder": {"dim": 32, "depth": 1, "heads": 2}}
PICTURES = np.random.default_rng(0).integers(0, 256, (5, 40, 32, 3), dtype=np.uint8)


def trained_root(root, seeds=(0, 1), steps=1):
    "A repository in which one tiny CroBo was trained: frames, weights, note and record."
    frames = drifting_discs(12, 4)[0]
    path = root / "data/p/discs/frames.hdf5"
    path.parent.mkdir(parents=True)
    write_frames(path, [(n, frames.images[i : i + 4]) for (n, _), i in zip(frames.clips, frames.first)], {"source": "test"})
    settings = dict(model=VIT | {"method": "CroBo"}, train=dict(steps=steps, batch_size=4, warmup_steps=0, log_every=1, checkpoint_every=1, threads=1, precision="float32"), seeds=list(seeds))
    pretrained(settings, path, root=root / "work", workers=1, progress=False)
    hashes = pretraining_hashes(settings, path)
    folder = work_folder(hashes)
    for file, value in {"data/p/pretraining/crobo.json": {str(s): f"{folder.as_posix()}/seed_{s}/final" for s in seeds},
                        "results/p/records/crobo.json": dict(config=pretraining_config(settings), hashes=hashes)}.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(to_text(value))
    return root / folder


def test_a_pretraining_is_its_token_a_seed(tmp_path):
    folder = trained_root(tmp_path)
    found = extractors({"CroBo": {"pretraining": "crobo"}, "patches": {"patches": "crobo", "seeds": [1]}, "start": {"random": "crobo"}}, "p", 32, root=tmp_path, device="cpu")
    assert list(found) == [("CroBo", 0), ("CroBo", 1), ("patches", 1), ("start", 0), ("start", 1)]
    from prism_repro.crobo.baselines import load_pretrained

    tokens = load_pretrained(folder / "seed_1/final").tokens(fit(PICTURES, 32)).detach()
    np.testing.assert_allclose(found["CroBo", 1](PICTURES), tokens[:, 0], atol=1e-6)
    np.testing.assert_allclose(found["patches", 1](PICTURES), tokens[:, 1:].mean(1), atol=1e-6)
    np.testing.assert_allclose(found["start", 1](PICTURES), random_vit(VIT, 1).token(fit(PICTURES, 32)), atol=1e-6)
    assert not np.allclose(found["CroBo", 1](PICTURES), found["start", 1](PICTURES)) and found["CroBo", 0].frames == json.loads((tmp_path / "results/p/records/crobo.json").read_text())["hashes"]["data"]
    assert len({to_text(e.about) for e in found.values()}) == 5
    json.dumps([e.about for e in found.values()])


def test_weights_that_are_gone_are_trained_again_from_the_record(tmp_path):
    import shutil

    folder = trained_root(tmp_path, seeds=(0,))
    backbone = {"CroBo": {"pretraining": "crobo"}}
    before = extractors(backbone, "p", 32, root=tmp_path, device="cpu")["CroBo", 0](PICTURES)
    shutil.rmtree(folder)
    again = extractors(backbone, "p", 32, root=tmp_path, device="cpu")["CroBo", 0]
    assert not folder.exists()  # nothing is read before the first call
    np.testing.assert_array_equal(again(PICTURES), before)
    shutil.rmtree(folder)
    (tmp_path / "data/p/discs/frames.hdf5").unlink()
    with pytest.raises(FileNotFoundError, match="the frames that it was trained on are not here"):
        pretrained_folder(tmp_path, "p", "crobo", 0)


def test_a_checkpoint_and_a_policy(tmp_path):
    vit = build(VIT | {"method": "MAE"}).encoder
    safetensors.torch.save_file({n: x.clone() for n, x in vit.state_dict().items()}, tmp_path / "vit.safetensors")
    config = dict(cameras=["agentview"], low_dim={}, image_size=36, crop_size=32, To=1, Tp=4, Ta=2, action_dim=2, encoder={"name": "PRISM", "width": 8, "stages": 3}, unet=dict(down_dims=[8, 16], step_embed_dim=8, kernel_size=3, n_groups=4), objective={"name": "FM"})
    policy = Policy.from_config(config, seed=0).eval()
    policy.save_pretrained(tmp_path / "work/x/seed_3/final")
    (tmp_path / "data/p/cells").mkdir(parents=True)
    (tmp_path / "data/p/cells/lift.json").write_text('{"3": "work/x/seed_3/final", "4": "work/x/seed_4/final"}')
    found = extractors({"theirs": {"checkpoint": "vit.safetensors"}, "PRISM": {"policy": "lift"}}, "p", 32, root=tmp_path, device="cpu")
    assert found["theirs", 0](PICTURES).shape == (5, 32)
    with torch.no_grad():
        wanted = policy.encoder({"agentview": fit(PICTURES, 36)[:, None, :, 2:34, 2:34]})
    np.testing.assert_allclose(found["PRISM", 3](PICTURES), wanted, atol=1e-5)
    with pytest.raises(FileNotFoundError, match="seed_4/final does not exist: this machine has the cell's record"):
        found["PRISM", 4](PICTURES)


@pytest.mark.parametrize("settings, error, text", [
    ({}, ValueError, "exactly one of pretraining, random"), ({"pixels": True, "random": VIT}, ValueError, "exactly one of"), ({"pixels": True, "seeds": [0]}, ValueError, "does not take seeds"),
    ({"pretraining": "mae"}, FileNotFoundError, "dvc repro pretrain@mae"), ({"policy": "cell"}, FileNotFoundError, "dvc repro cell@cell"),
    ({"checkpoint": "none.safetensors"}, FileNotFoundError, "none.safetensors does not exist"), ({"random": VIT | {"method": "DINO"}}, ValueError, "no pre-training method 'DINO'"),
])
def test_bad_settings(tmp_path, settings, error, text):
    with pytest.raises(error, match=text):
        extractors({"x": settings}, "p", 32, root=tmp_path)


def test_bad_pictures_and_bad_seeds(tmp_path):
    with pytest.raises(ValueError, match=r"uint8 \[N H W 3\]; found float32"):
        fit(PICTURES.astype(np.float32), 32)
    trained_root(tmp_path, seeds=(0,))
    with pytest.raises(ValueError, match=r"training seeds \[7\]; there are \[0\]"):
        extractors({"x": {"pretraining": "crobo", "seeds": [7]}}, "p", 32, root=tmp_path)


def test_batches_make_no_difference():
    spec = {"random": {"random": VIT}}
    one, many = (extractors(spec, "p", 32, batch=b, device="cpu")["random", 0](PICTURES) for b in (2, 64))
    np.testing.assert_allclose(one, many, atol=1e-5)
