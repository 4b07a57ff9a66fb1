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
    with pytest.raises(ValueError, match="'wrist.left'.*have a dot"):
        ObservationEncoder({}, {"wrist.left": 2})
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


class Points(Corner):
    "Three keypoints that tell which frame they belong to: +-(100 * frame's number + 1, 2, 3), shifted by a weight so that gradients flow."

    out_dim, keypoints = 6, True

    def forward(self, x):
        k = torch.tensor([1.0, -1, 2, -2, 3, -3]) + 100 * torch.arange(len(x))[:, None] * torch.tensor([1.0, -1]).repeat(3)
        return k * self.w


OBS = {"a": torch.zeros(4, 2, 3, 4, 4), "b": torch.zeros(4, 2, 3, 4, 4), "y": torch.randn(4, 2, 5)}


def points(shuffle, when="train+eval", seed=0, training=True):
    encoder = ObservationEncoder({"a": Points(), "b": Points()}, {"y": 5}, shuffle, when).train(training)
    return encoder(OBS, torch.Generator().manual_seed(seed)).detach().view(8, 17)


def orders(out):
    "The order of the keypoints in each frame of each camera [8 frames, 2 cameras, 3], and that nothing else changed."
    assert torch.equal(out[:, 12:], OBS["y"].flatten(0, 1))
    pairs = out[:, :12].view(8, 2, 3, 2)
    assert torch.equal(pairs[..., 0], -pairs[..., 1])  # x and y of a keypoint stayed together
    order = pairs[..., 0] - 100 * torch.arange(8).view(8, 1, 1)
    assert torch.equal(order.sort(2).values, torch.tensor([1.0, 2, 3]).expand(8, 2, 3))  # of this frame, each once
    return order


def test_each_kind_of_shuffle():
    assert torch.equal(orders(points("none")), torch.tensor([1.0, 2, 3]).expand(8, 2, 3))
    drawn = [orders(points("per_sample", seed=s)) for s in range(5)]
    assert all(len(o.flatten(0, 1).unique(dim=0)) > 3 for o in drawn)  # frames and cameras differ
    batch = [orders(points("per_batch", seed=s)) for s in range(20)]
    assert all(torch.equal(o, o[:1].expand_as(o)) for o in batch)  # all frames alike
    assert any(not torch.equal(o[0, 0], o[0, 1]) for o in batch) and len({tuple(o[0, 0].tolist()) for o in batch}) == 6  # cameras and calls differ
    with pytest.raises(AssertionError):
        orders(points("none")[:, torch.randperm(17)])


def test_shuffle_is_a_function_of_the_generator():
    for shuffle in ("per_sample", "per_batch"):
        assert torch.equal(points(shuffle), points(shuffle)) and not torch.equal(points(shuffle), points(shuffle, seed=7))


@pytest.mark.parametrize("when,training,changed", [("train+eval", True, True), ("train+eval", False, True), ("eval", True, False), ("eval", False, True)])
def test_when_it_shuffles(when, training, changed):
    assert torch.equal(points("per_sample", when, training=training), points("none")) != changed


def test_a_generator_is_asked_for_when_needed():
    encoder = ObservationEncoder({"a": Points()}, {}, "per_batch", "eval")
    encoder.train()({"a": OBS["a"]})
    with pytest.raises(ValueError, match="pass a torch.Generator"):
        encoder.eval()({"a": OBS["a"]})
    ObservationEncoder({"a": Corner()}, {})({"a": OBS["a"]}, torch.Generator())  # one too many does no harm


def test_only_keypoints_are_shuffled():
    for encoders in ({"a": Corner()}, {"a": Points(), "b": Corner()}, {}):
        with pytest.raises(ValueError, match="give none"):
            ObservationEncoder(encoders, {"y": 5}, "per_sample")
    with pytest.raises(ValueError, match="when is one of"):
        ObservationEncoder({"a": Points()}, {}, "per_sample", "training")


def test_shuffling_adds_no_state():
    assert list(ObservationEncoder({"a": Points()}, {}, "per_sample").state_dict()) == ["encoders.a.w"]
