"""Tests of nbs/crobo/77_pictures.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import math

import numpy as np
import pytest
import torch

from prism_repro.crobo.baselines import build
from prism_repro.crobo.frames import Frames, drifting_discs
from prism_repro.crobo.model import draw_mask
from prism_repro.crobo.pictures import draw_box, hidden_patches, object_patches, picture_rows, pixels_of, psnr, region_error, swap_test, swap_views, to_bytes
from prism_repro.vision.vit import patchify

SMALL = {"image_size": 32, "patch_size": 8, "encoder": {"dim": 32, "depth": 1, "heads": 2}, "decoder": {"dim": 16, "depth": 1, "heads": 2}, "mask_ratio": 0.75}


@pytest.mark.parametrize("error, decibel", [(0.1, 20), (0.01, 40), (1.0, 0), (0.5, 20 * math.log10(2)), (0.0, 100)])
def test_psnr_of_a_constant_error(error, decibel):
    truth = torch.zeros(2, 3, 8, 8)
    torch.testing.assert_close(psnr(truth + error, truth), torch.full((2,), float(decibel)), atol=1e-3, rtol=0)


def test_psnr_counts_the_pixels_that_it_is_told_to():
    truth, image = torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    image[:, :, :, 4:] = 0.1
    right = torch.zeros(2, 8, 8, dtype=torch.bool)
    right[:, :, 4:] = True
    torch.testing.assert_close(psnr(image, truth, right), torch.full((2,), 20.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(psnr(image, truth), torch.full((2,), 20 + 10 * math.log10(2)), atol=1e-3, rtol=0)
    assert (psnr(image, truth, ~right) == 100).all() and psnr(image, truth, right & ~right).isnan().all()


def test_patches_with_objects():
    masks = torch.zeros(1, 16, 16, dtype=torch.bool)
    masks[0, 0:8, 0:8] = True  # all of patch 0
    masks[0, 8:16, 8] = True  # an eighth of patch 3
    masks[0, 8, 0:2] = True  # a 32nd of patch 2
    found = object_patches(masks, 8)
    assert found.tolist() == [[True, False, False, True]] and object_patches(masks, 8, 0.02).tolist() == [[True, False, True, True]]
    pixels = pixels_of(found, 8)
    assert pixels.sum() == 128 and pixels[0, :8, :8].all() and pixels[0, 8:, 8:].all()
    assert hidden_patches(torch.tensor([[1, 2]]), 4).tolist() == [[True, False, False, True]]


def test_region_errors_are_means_over_patches():
    truth, image = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    image[:, :, 8:, 8:] = 0.2
    for patches, expected in (([1, 1, 1, 1], 0.01), ([0, 0, 1, 1], 0.02), ([0, 0, 0, 1], 0.04), ([1, 0, 0, 0], 0.0)):
        torch.testing.assert_close(region_error(image, truth, torch.tensor([patches]) > 0, 8), torch.tensor([expected]))
    assert region_error(image, truth, torch.zeros(1, 4, dtype=torch.bool), 8).isnan().all()


def oracle(batch, knows="token"):
    "A CroBo whose decoder is perfect: it paints what the token's scene shows (or, cheating, the target)."
    model = build(SMALL | {"normalize_pixels": False}).eval()
    scenes = {tuple(s.flatten()[:4000].tolist()): t for s, t in [*zip(batch["source"], batch["target"]), *zip(batch["other_source"], batch["other_target"])]}
    model.token = lambda images: images.flatten(1)
    paint = lambda tokens: torch.stack([scenes[tuple(t[:4000].tolist())] for t in tokens])
    model.predict = lambda source, target, keep, of, token=None: model.targets(target if knows == "target" else paint(model.token(source) if token is None else token))
    return model


def scenes(n=12):
    frames, masks = drifting_discs(n, 1, discs=1, seed=3)
    images = np.clip(frames.images.astype(int) + np.arange(n)[:, None, None, None], 0, 255).astype(np.uint8)  # no two alike
    frames = Frames(images, frames.clips)
    batch = swap_views(frames, np.arange(n), build(SMALL).config, np.random.default_rng(0), masks)
    return frames, batch, draw_mask(n, 16, 0.75, torch.Generator().manual_seed(0))[0]


def test_a_perfect_token_is_right_with_its_own_and_paints_the_stranger_with_the_stranger_s():
    _, batch, keep = scenes()
    found = swap_test(oracle(batch), batch, keep)
    own, other = found["errors"]["own"], found["errors"]["other"]
    assert own["all"].abs().max() < 1e-10 and own["objects"].nan_to_num(0).abs().max() < 1e-10
    assert other["objects"].nanmean() > 0.02 > other["stranger"].nan_to_num(0).max() and other["stranger"].nan_to_num(0).abs().max() < 1e-10 and own["stranger"].nanmean() > 0.02
    hidden = pixels_of(hidden_patches(keep, 16), 8)[:, None]
    torch.testing.assert_close(found["other"] * hidden, batch["other_target"] * hidden, atol=1e-5, rtol=0)
    torch.testing.assert_close(found["other"] * ~hidden, batch["target"] * ~hidden, atol=1e-5, rtol=0)


def test_a_decoder_that_ignores_the_token_shows_no_difference():
    _, batch, keep = scenes()
    found = swap_test(oracle(batch, knows="target"), batch, keep)["errors"]
    for region in ("all", "objects", "stranger"):
        torch.testing.assert_close(found["own"][region], found["other"][region], equal_nan=True, atol=0, rtol=0)


def test_strangers_share_the_crops_and_are_of_other_clips():
    frames, batch, _ = scenes()
    stranger = frames.strangers(np.arange(12))
    alone = swap_views(frames, np.arange(12), build(SMALL).config, np.random.default_rng(0))
    assert "objects" not in alone and torch.equal(alone["other_target"], batch["other_target"]) and not batch["flip"].any()
    same = swap_views(Frames(frames.images[stranger], frames.clips), np.arange(12), build(SMALL).config, np.random.default_rng(0))
    assert torch.equal(same["target"], batch["other_target"]) and torch.equal(same["source"], batch["other_source"])


@pytest.mark.parametrize("method, rows", [("CroBo", 6), ("ToBo", 6), ("MAE", 4), ("CropMAE", 4)])
def test_the_rows_of_the_figure(method, rows):
    frames, batch, keep = scenes()
    model = build(SMALL | {"method": method}).eval()
    found = picture_rows(model, frames, batch, keep)
    assert len(found) == rows and all(x.dtype == np.uint8 and x.shape == (12, 32, 32, 3) for x in found.values())
    assert np.array_equal(found["target"], to_bytes(batch["target"]))
    cuts = {name: patchify(torch.from_numpy(found[name].copy()).permute(0, 3, 1, 2), 8) for name in ("masked", "reconstruction", "target")}
    hidden = hidden_patches(keep, 16)
    assert torch.equal(cuts["masked"][~hidden], cuts["target"][~hidden]) and (cuts["reconstruction"][~hidden].int() - cuts["target"][~hidden].int()).abs().max() <= 1
    assert cuts["masked"][hidden].unique().tolist() == [104, 116, 124]


def test_a_box_is_where_the_crop_is():
    image = draw_box(np.zeros((20, 30, 3), np.uint8), torch.tensor([3, 5, 10, 12]), colour=(9, 9, 9))
    marked = np.argwhere(image[..., 0] == 9)
    assert marked.min(0).tolist() == [3, 5] and marked.max(0).tolist() == [12, 16] and len(marked) == 2 * 12 + 2 * 8
