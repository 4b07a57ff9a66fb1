"""Tests of nbs/data/22_crops.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest
import torch

from prism_repro.data.crops import center_crop, random_crop

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 2, 12, 10, 3), dtype=np.uint8)


def test_crop_equals_slicing():
    size, crops = 7, random_crop(IMAGES, 7, np.random.default_rng(3))
    offsets = np.random.default_rng(3).integers(0, (6, 4), size=(6, 2)).reshape(3, 2, 2)
    for b in range(3):
        for t in range(2):
            y, x = offsets[b, t]
            expected = IMAGES[b, t, y : y + size, x : x + size].transpose(2, 0, 1).astype(np.float32) / np.float32(255)
            assert np.array_equal(crops[b, t], expected)
    assert crops.dtype == np.float32 and torch.from_numpy(crops).flatten(0, 1).is_contiguous(memory_format=torch.channels_last)


def test_is_a_function_of_the_generator():
    same = [random_crop(IMAGES, 7, np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(*same) and not np.array_equal(same[0], random_crop(IMAGES, 7, np.random.default_rng(6)))


def test_every_place_is_reached_equally_often():
    frame = np.arange(81, dtype=np.uint8).reshape(9, 9)[:, :, None].repeat(3, axis=2)
    corners = random_crop(np.tile(frame, (4000, 2, 1, 1, 1)), 7, np.random.default_rng(0))[:, :, 0, 0, 0] * 255
    values, counts = np.unique(np.rint(corners), return_counts=True)
    assert values.tolist() == [0, 1, 2, 9, 10, 11, 18, 19, 20] and counts.min() > 0.85 * 8000 / 9


@pytest.mark.parametrize("side, size, start", [(84, 76, 4), (9, 6, 1), (8, 8, 0), (240, 216, 12)])
def test_center(side, size, start):
    frame = np.zeros((1, 1, side, side, 3), np.uint8)
    frame[0, 0, start, start] = 255
    assert center_crop(frame, size)[0, 0, :, 0, 0].tolist() == [1, 1, 1]


def test_rows_of_a_longer_array():
    rows = np.array([[3, 3], [5, 0], [2, 1]])
    flat = IMAGES.reshape(-1, 12, 10, 3)
    taken = random_crop(np.take(flat, rows, axis=0), 7, np.random.default_rng(4))
    assert np.array_equal(random_crop(flat, 7, np.random.default_rng(4), rows), taken) and taken.shape == (3, 2, 3, 7, 7)


def test_full_size_is_the_image():
    square = IMAGES[:, :, :10]
    assert np.array_equal(random_crop(square, 10, np.random.default_rng(0)), center_crop(square, 10))


@pytest.mark.parametrize("size", [0, 11, 13])
def test_refuses_a_size_that_does_not_fit(size):
    with pytest.raises(ValueError, match=f"crop of {size} pixels does not fit into frames of 12 x 10"):
        random_crop(IMAGES, size, np.random.default_rng(0))


@pytest.mark.parametrize("images", [np.zeros((2, 1, 12, 12, 3)), np.zeros((2, 1, 12, 12, 4), np.uint8)])
def test_images_that_are_no_bytes_are_refused(images):
    for crop in (lambda: center_crop(images, 8), lambda: random_crop(images, 8, np.random.default_rng(0))):
        with pytest.raises(ValueError, match="expected uint8"):
            crop()
