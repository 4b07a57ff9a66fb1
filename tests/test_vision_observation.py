"""Tests of nbs/vision/15_observation.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch
from torch import nn

from prism_repro.vision.observation import IMAGENET_MEAN, IMAGENET_STD, ObservationEncoder


class Corner(nn.Module):
    "Shows what the image encoder is fed: the first pixel's three channels, times a weight."

    out_dim = 3

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x[:, :, 0, 0] * self.w


def test_layout_and_single_normalisation():
    encoder = ObservationEncoder({"b": Corner(), "a": Corner()}, {"z": 1, "y": 2})
    obs = {"a": torch.rand(2, 3, 3, 4, 4), "b": torch.rand(2, 3, 3, 4, 4), "y": torch.randn(2, 3, 2), "z": torch.randn(2, 3, 1)}
    out = encoder(obs).view(2, 3, 9)
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    for i, camera in enumerate("ab"):
        torch.testing.assert_close(out[:, :, 3 * i : 3 * i + 3], (obs[camera][:, :, :, 0, 0] - mean) / std)
    assert torch.equal(out[:, :, 6:8], obs["y"]) and torch.equal(out[:, :, 8:], obs["z"])


def test_only_weights_are_saved():
    assert list(ObservationEncoder({"a": Corner()}, {}).state_dict()) == ["encoders.a.w"]


def test_low_dim_only():
    assert ObservationEncoder({}, {"x": 4})({"x": torch.zeros(2, 2, 4)}).shape == (2, 8)


def test_a_shared_encoder_is_refused():
    shared = Corner()
    with pytest.raises(ValueError, match="give each camera its own copy"):
        ObservationEncoder({"a": shared, "b": shared}, {})


@pytest.mark.parametrize(
    "change,error,match",
    [
        ({"a": None}, KeyError, "lacks 'a'"),
        ({"y": None}, KeyError, "lacks 'y'"),
        ({"a": torch.zeros(2, 2, 4, 4, 3)}, ValueError, r"expected \[B, To, 3, h, w\]"),
        ({"a": torch.zeros(2, 3, 4, 4)}, ValueError, r"expected \[B, To, 3, h, w\]"),
        ({"a": torch.zeros(2, 2, 3, 4, 4, dtype=torch.uint8)}, ValueError, "divide bytes by 255"),
        ({"y": torch.zeros(2, 2, 3)}, ValueError, r"expected \[B, To, 2\]"),
    ],
)
def test_observations_that_do_not_fit_are_refused(change, error, match):
    obs = {"a": torch.zeros(2, 2, 3, 4, 4), "y": torch.zeros(2, 2, 2)} | change
    with pytest.raises(error, match=match):
        ObservationEncoder({"a": Corner()}, {"y": 2})({k: v for k, v in obs.items() if v is not None})
