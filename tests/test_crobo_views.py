"""Tests of nbs/crobo/73_views.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest
import torch
import torch.nn.functional as F

from prism_repro.crobo.frames import Frames
from prism_repro.crobo.views import VIEWS, cut, cut_labels, draw_crops, make_views, nested_crops, partners, resolve_views


@pytest.mark.parametrize("crop", [(0, 0, 40, 56), (3, 7, 20, 31), (10, 0, 12, 12), (5, 9, 1, 4), (0, 20, 40, 36)])
@pytest.mark.parametrize("size", [16, 37, 64])
def test_cutting_is_pytorch_s_antialiased_bicubic_resize_of_the_crop(crop, size):
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 40, 56, 3), dtype=np.uint8))
    top, left, h, w = crop
    expected = F.interpolate(images[:, top : top + h, left : left + w].permute(0, 3, 1, 2).float() / 255, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
    found = cut(images, torch.tensor([crop, crop]), torch.tensor([False, True]), size)
    torch.testing.assert_close(found[0], expected[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[1], expected[1].flip(2), atol=1e-5, rtol=0)


def test_crops_are_inside_have_their_area_and_their_ratio():
    for (height, width), area, ratio in (((96, 128), (0.5, 1.0), (3 / 4, 4 / 3)), ((64, 64), (0.3, 0.6), (3 / 4, 4 / 3)), ((224, 300), (0.2, 0.2), (1, 1))):
        crops = draw_crops(np.full(5000, height), np.full(5000, width), area, ratio, np.random.default_rng(0))
        h, w = crops[:, 2], crops[:, 3]
        assert (crops[:, :2] >= 0).all() and (crops[:, 0] + h <= height).all() and (crops[:, 1] + w <= width).all()
        slack = (h + w) / 2 / (height * width)  # of rounding
        assert (h * w / (height * width) >= area[0] - slack).all() and (h * w / (height * width) <= area[1] + slack).all()
        assert ((w + 0.5) / (h - 0.5) >= ratio[0]).all() and ((w - 0.5) / (h + 0.5) <= ratio[1]).all()
        tops = crops[height - h > 10][:, 0] / (height - h)[height - h > 10]
        assert tops.min() < 0.05 and tops.max() > 0.95 and abs(tops.mean() - 0.5) < 0.03


def test_a_frame_where_no_crop_fits_gives_its_central_part():
    crops = draw_crops(np.full(50, 20), np.full(50, 400), (0.9, 1.0), (3 / 4, 4 / 3), np.random.default_rng(0))
    assert (crops == [0, (400 - 27) // 2, 20, 27]).all()


def test_inner_crops_lie_inside_also_where_rounding_bites():
    outer, inner, _ = nested_crops(20000, 12, 9, np.random.default_rng(0))
    assert (inner[:, :2] >= outer[:, :2]).all() and (inner[:, :2] + inner[:, 2:] <= outer[:, :2] + outer[:, 2:]).all() and (inner[:, 2:] >= 1).all()


def test_the_local_view_shows_what_the_global_view_shows_at_its_place():
    "The target, looked up inside the source through the coordinates: the same colours."
    y, x = np.mgrid[:64, :64] / 63
    images = torch.from_numpy((255 * np.stack([x, y, 0.5 + 0.4 * np.sin(4 * x) * np.cos(3 * y)], 2)).astype(np.uint8)[None].repeat(40, 0))
    outer, inner, flip = (torch.from_numpy(a) for a in nested_crops(40, 64, 64, np.random.default_rng(3)))
    source, target = cut(images, outer, flip, 64), cut(images, inner, flip, 32)
    at = (torch.arange(32) + 0.5) / 32
    row = (inner[:, :1] + at * inner[:, 2:3] - outer[:, :1]) / outer[:, 2:3]
    column = (inner[:, 1:2] + torch.where(flip[:, None], 1 - at, at) * inner[:, 3:] - outer[:, 1:2]) / outer[:, 3:]
    column = torch.where(flip[:, None], 1 - column, column)
    grid = torch.stack(torch.broadcast_tensors(column[:, None], row[:, :, None]), dim=3) * 2 - 1
    again = F.grid_sample(source, grid, mode="bilinear", align_corners=False, padding_mode="border")
    assert (again - target)[:, :, 2:-2, 2:-2].abs().max() < 0.03


def test_labels_follow_the_pictures():
    images = torch.zeros(8, 48, 64, 3, dtype=torch.uint8)
    images[:, 10:30, 20:50] = 255
    outer, inner, flip = (torch.from_numpy(a) for a in nested_crops(8, 48, 64, np.random.default_rng(0)))
    labels = cut_labels((images[..., 0] > 0).long() * 7, inner, flip, 40)
    assert set(labels.unique().tolist()) <= {0, 7} and ((labels == 7) == (cut(images, inner, flip, 40)[:, 0] > 0.5)).float().mean() > 0.97


def test_views_depend_on_the_generator_alone():
    frames = Frames(np.random.default_rng(0).integers(0, 255, (20, 16, 16, 3), dtype=np.uint8), [("a", 12), ("b", 8)])
    views, index = resolve_views({"pair": "time+crop"}), np.arange(0, 20, 3)
    a, b, c = (make_views(frames, index, views, 16, np.random.default_rng([seed, 5])) for seed in (0, 0, 1))
    assert all(torch.equal(a[k], b[k]) for k in a) and not torch.equal(a["target"], c["target"])


def test_partners_are_other_frames_of_the_clip_within_the_gap():
    frames = Frames(np.zeros((31, 4, 4, 3), np.uint8), [("a", 20), ("alone", 1), ("b", 10)])
    index = np.repeat(np.arange(31), 200)
    other = partners(frames, index, 4, np.random.default_rng(0))
    assert frames.episode_of(index) == frames.episode_of(other) and np.abs(index - other).max() == 4
    assert ((index == other) == (index == 20)).all()
    assert set(other[index == 10]) == {6, 7, 8, 9, 11, 12, 13, 14} and set(other[index == 21]) == {22, 23, 24, 25}


@pytest.mark.parametrize("config, text", [({"pair": "video"}, "expected one of crop, time"), ({"local": [0.6, 0.3]}, "local=.0.6, 0.3.: expected two numbers"),
                                          ({"global": [0.5, 1.5]}, "<= 1"), ({"scale": 1}, "Unknown view settings .'scale'.; there are pair, global")])
def test_impossible_views_are_refused(config, text):
    with pytest.raises(ValueError, match=text):
        resolve_views(config)
    assert resolve_views(None) == VIEWS
