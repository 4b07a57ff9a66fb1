"""Tests of nbs/analysis/79_model_card.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch
from torch import nn

from prism_repro.analysis.model_card import fusion_card, model_card, policy_card, widen
from prism_repro.analysis.parameters import count
from prism_repro.vision.build import make_encoder
from prism_repro.vision.resnet import ResNet18


def linear(module):
    "Make a copy through which every pixel that can have an influence has a positive one."
    for name, child in list(module.named_children()):
        if isinstance(child, (nn.GroupNorm, nn.ReLU)):
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.MaxPool2d):
            setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
        else:
            linear(child)
    for p in module.parameters():
        nn.init.constant_(p, 0.1)
    return module


@pytest.mark.parametrize("tap, side", [("conv1", 64), ("maxpool", 64), ("layer1", 128), ("layer2", 256), ("layer3", 512), ("layer4", 960)])
def test_the_receptive_field_is_where_the_gradient_is(tap, side):
    backbone, field = ResNet18(width=1), (1, 1)
    for name in backbone.taps:
        field = widen(field, getattr(backbone, name))
        if name == tap:
            break
    image = torch.zeros(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    cells = linear(backbone).double().features(image)[tap]
    cells[0, 0, cells.shape[2] // 2, cells.shape[3] // 2].backward()
    seen = torch.nonzero(image.grad[0, 0])
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [field[0]] * 2 and side / cells.shape[2] == field[1]


@pytest.mark.parametrize("settings, size", [(dict(name="PRISM", width=16), 76), (dict(name="PRISM", width=8, stages=3, num_kp=5, attn_dim=12), 38), (dict(name="TDCA", width=16), 76), (dict(name="PRISM", width=8, tokens="keypoint"), 64)])
def test_the_parts_add_up_and_the_shapes_are_those_of_the_network(settings, size):
    card, fusion, encoder = model_card(settings, size), fusion_card(settings, size), make_encoder(settings, size)
    assert sum(r["parameters"] + r["refine"] + r["head"] for r in card) + fusion["parameters"] == count(encoder)
    assert [tuple(r["shape"]) for r in card] == list(encoder.backbone.shapes(size).values())
    stages = [r for r in card if r["token"]]
    assert len(stages) == encoder.backbone.stages and {r["token"] for r in stages} == {encoder.out_dim} == {fusion["out_dim"]}
    assert fusion["query"][0] * fusion["query"][1] == encoder.out_dim and fusion["earlier"][0] == (len(stages) - 1) * fusion["query"][0]
    assert all((r["refine"] > 0) == (settings["name"] == "PRISM") for r in stages)


def test_another_encoder_has_no_card_and_the_policy_counts():
    with pytest.raises(ValueError, match="not 'SSPool'"):
        model_card(dict(name="SSPool", width=8))
    one = policy_card(dict(name="PRISM", width=8), 76, 1, (16, 32), To=1, low_dim={})
    assert one["condition"] == 64 and one["policy"] == one["encoder"] + one["unet"]
