"""Tests of nbs/crobo/78_reconstruction.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest
import torch

from prism_repro.crobo.baselines import build
from prism_repro.crobo.frames import Frames, drifting_discs
from prism_repro.crobo.reconstruction import model_card, most_to_paint, moving_masks, reconstruction_errors, reconstruction_pictures

SMALL = {"image_size": 16, "patch_size": 4, "encoder": {"dim": 16, "depth": 1, "heads": 2}, "decoder": {"dim": 8, "depth": 1, "heads": 2}, "mask_ratio": 0.75, "normalize_pixels": False}


def model_of(method="CroBo", **changes):
    torch.manual_seed(0)
    return build(SMALL | {"method": method} | changes).eval()


def test_errors_are_per_clip_repeat_and_do_not_depend_on_the_batch_s_end():
    frames, masks = drifting_discs(6, 3, size=16, discs=1)
    a, b = (reconstruction_errors(model_of(), frames, masks, n=20, batch_size=12) for _ in range(2))
    assert a == b and {r["episode"] for r in a} <= {n for n, _ in frames.clips} and sum(len(r["own_all"]) for r in a) == 20
    assert set(a[0]) == {"episode"} | {f"{t}_{r}" for t in ("own", "other") for r in ("all", "objects", "stranger")}
    assert all(v is None or v > 0 for r in a for v in r["own_objects"]) and any(v is None for r in a for v in r["own_stranger"] + r["own_objects"])
    shorter = reconstruction_errors(model_of(), frames, masks, n=12, batch_size=12)
    longer = {r["episode"]: r for r in a}
    assert all(longer[r["episode"]]["own_all"][: len(r["own_all"])] == r["own_all"] for r in shorter)


@pytest.mark.parametrize("method, tokens", [("MAE", {"own"}), ("CropMAE", {"own"}), ("ToBo", {"own", "other"})])
def test_methods_without_a_bottleneck_have_nothing_to_swap(method, tokens):
    frames, masks = drifting_discs(6, 3, size=16, discs=1)
    rows, shown = reconstruction_errors(model_of(method), frames, n=12, batch_size=12), reconstruction_pictures(model_of(method), frames, masks, count=3, batch_size=12)
    assert {key.partition("_")[0] for row in rows for key in row} - {"episode"} == tokens and "own_objects" not in rows[0]
    assert ("swapped" in shown) == ("other" in tokens) and all(images.shape == (3, 16, 16, 3) for images in shown.values())


def test_a_perfect_painter_has_no_error_and_a_swapped_one_the_stranger_s(monkeypatch):
    frames, masks = drifting_discs(8, 2, size=16, discs=1)
    model = model_of()
    monkeypatch.setattr(model, "reconstruct", lambda source, target, keep, token=None: target)
    rows = reconstruction_errors(model, frames, masks, n=16, batch_size=16)
    assert all(v in (0, None) for r in rows for key in ("own_all", "own_objects", "other_all") for v in r[key])
    assert any(v > 0 for r in rows for v in r["own_stranger"] if v is not None)


def test_what_is_shown_is_where_most_is_to_be_painted_never_a_clip_twice():
    full, empty = torch.ones(4, 16, 16, dtype=torch.bool), torch.zeros(4, 16, 16, dtype=torch.bool)
    half = empty.clone()
    half[:, :8] = True
    objects = torch.stack([empty[0], full[0], full[0], half[0]])
    keep = torch.zeros(4, 1, dtype=torch.int64)
    pick = lambda clips, count: most_to_paint({"objects": objects, "other_objects": full}, keep, 4, clips, count).tolist()
    assert pick(list("abcd"), 3) == [1, 2, 3] and pick(list("abbd"), 3) == [1, 3, 0]
    assert most_to_paint({}, keep, 4, list("aabc"), 2).tolist() == [0, 2]


def test_what_rests_does_not_move_and_what_moves_does():
    images = np.full((7, 8, 8, 3), 100, np.uint8)
    images[:5, 0, 0] = 200  # in most frames: the median picture has it
    images[3, 4, 4, 1] = 126
    images[4, 5, 5, 1] = 125
    masks = moving_masks(Frames(images, [("a", 5), ("b", 2)]))
    assert np.argwhere(masks).tolist() == [[3, 4, 4]]


def test_a_card_is_of_the_model():
    card = model_card(model_of("MAE", mask_ratio=0.9))
    assert (card["patches"], card["visible"], card["target_tokens"], card["decoder_tokens"], card["painted"]) == (16, 1, 2, 17, 15)
    crobo = model_of()
    assert model_card(crobo)["encoder"]["parameters"] == sum(p.numel() for p in crobo.encoder.parameters()) and model_card(crobo)["token"] == 16


def test_too_little_to_measure_with_is_an_error():
    frames, _ = drifting_discs(6, 3, size=16, discs=1)
    with pytest.raises(ValueError, match="smaller than a patch of 4 px"):
        reconstruction_errors(model_of(), Frames(frames.images[:, :3, :3], frames.clips))
    with pytest.raises(ValueError, match="are of one clip"):
        reconstruction_errors(model_of(), Frames(frames.images, [("a", 18)]), n=4, batch_size=4)
