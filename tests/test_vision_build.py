"""Tests of nbs/vision/16_build.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch

from prism_repro.vision.build import ENCODERS, make_encoder
from prism_repro.vision.multiscale import READINGS

KEYPOINTS = {"SSPool", "MS-SSPool", "TDCA", "PRISM", "Base"}
SIZES = [(42, 16), (64, 20), (76, 8), (84, 16), (100, 8), ((60, 84), 20), ((97, 45), 8), (216, 8)]


@pytest.mark.parametrize("size,width", SIZES)
@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_takes_every_size_and_width(name, size, width):
    encoder = make_encoder({"name": name, "width": width}, size)
    h, w = (size, size) if isinstance(size, int) else size
    with torch.no_grad():
        out = encoder(torch.rand(2, 3, h, w))
    assert out.shape == (2, encoder.out_dim) and out.isfinite().all()
    assert encoder.keypoints == (name in KEYPOINTS) and (name == "PRISM" or name == "TDCA" or not encoder.keypoints or out.abs().max() <= 1)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_trains_every_weight(name):
    torch.manual_seed(0)
    encoder = make_encoder({"name": name, "width": 8}, 44)
    encoder(torch.rand(4, 3, 44, 44)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in encoder.parameters())


@pytest.mark.parametrize("name", ENCODERS)
def test_what_does_not_fit_is_refused(name):
    encoder = make_encoder({"name": name, "width": 8}, 76)
    for shape in ((2, 1, 76, 76), (2, 76, 76, 3), (3, 76, 76)):
        with pytest.raises(ValueError, match=r"takes \[B, 3, H, W\]"):
            encoder(torch.zeros(shape))
    smallest = 33 if name in KEYPOINTS else 32
    make_encoder({"name": name, "width": 8}, smallest)(torch.zeros(1, 3, smallest, smallest))
    for build in (lambda: make_encoder({"name": name, "width": 8}, smallest - 1), lambda: encoder(torch.zeros(1, 3, smallest - 1, smallest - 1))):
        with pytest.raises(ValueError, match=f"{smallest} px"):
            build()
    for wrong in ({"widht": 8}, {"shuffle": "per_batch"}):
        with pytest.raises(ValueError, match=f"{name} does not take {[*wrong][0]}: its settings are name, .*width"):
            make_encoder({"name": name, **wrong}, 76)
    with pytest.raises(ValueError, match="choose 64"):
        make_encoder({"name": name, "width": 0}, 76)


TAKES = {"SSPool": "width stages num_kp temperature learn_temperature", "AvgPool": "width stages", "MaxPool": "width stages", "NoPool": "width stages",
         "MS-SSPool": "width reading refine temperature learn_temperature", "MS-AvgPool": "width stages refine", "MS-MaxPool": "width stages refine",
         "MS-NoPool": "width stages refine", "TDCA": "width stages num_kp attn_dim tokens temperature learn_temperature",
         "PRISM": "width stages num_kp attn_dim tokens temperature learn_temperature", "Base": "width stages num_kp temperature learn_temperature"}  # fmt: skip
VALUES = {"width": 8, "stages": 3, "num_kp": 6, "temperature": 0.5, "learn_temperature": True, "refine": False, "reading": "e", "attn_dim": 12, "tokens": "keypoint"}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("setting", VALUES)
def test_each_setting_is_used_or_refused(name, setting):
    settings = {"name": name, "width": 16, setting: VALUES[setting]}
    if setting not in TAKES[name].split() and (name, setting) not in {("MS-SSPool", "num_kp")}:
        with pytest.raises(ValueError, match=f"does not take {setting}"):
            make_encoder(settings, 44)
        return
    images, encoders = torch.rand(1, 3, 44, 44), []
    for s in (settings, {"name": name, "width": 16}):
        torch.manual_seed(0)
        encoders.append(make_encoder(s, 44))
    changed = [tuple(v.shape) for v in encoders[0].state_dict().values()] != [tuple(v.shape) for v in encoders[1].state_dict().values()]
    assert changed or not torch.equal(encoders[0](images), encoders[1](images))


def test_sizes_by_setting():
    size = lambda **s: make_encoder({"width": 8, **s}, 76).out_dim
    assert [size(name="MS-SSPool", reading=r) for r in READINGS] == [384, 384, 384, 48, 384]
    assert size(name="MS-SSPool", num_kp=32) == 256 and size(name="MS-SSPool", num_kp=32, stages=3) == 192
    assert size(name="SSPool", num_kp=None) == 128 and size(name="PRISM", num_kp=7) == 14
    assert size(name="NoPool", stages=3) == 32 * 25 and size(name="MS-AvgPool", stages=2) == 8 + 16
    with pytest.raises(ValueError, match="MS-SSPool does not take reading"):
        make_encoder({"name": "MS-SSPool", "reading": "b", "num_kp": 32}, 76)


PARAMETERS = {"SSPool": 11_192_928, "AvgPool": 11_176_512, "MaxPool": 11_176_512, "NoPool": 11_176_512, "MS-SSPool": 17_493_504, "MS-AvgPool": 17_447_232,
              "MS-MaxPool": 17_447_232, "MS-NoPool": 17_447_232, "TDCA": 11_223_744, "PRISM": 17_494_464, "Base": 11_192_928}  # fmt: skip


@pytest.mark.parametrize("name", ENCODERS)
def test_each_name_is_its_architecture(name):
    with torch.device("meta"):
        encoder = make_encoder({"name": name}, 76)
    assert sum(p.numel() for p in encoder.parameters()) == PARAMETERS[name]
    heads = [type(m).__name__ for m in encoder.modules() if type(m).__name__.endswith("Pool")]
    kind = {"Base": "SSPool", "PRISM": "SSPool", "TDCA": "SSPool"}.get(name, name.removeprefix("MS-"))
    assert heads == [kind] * (1 if name in ("SSPool", "AvgPool", "MaxPool", "NoPool", "Base") else 4)
    assert hasattr(encoder, "fuse") == (name in ("PRISM", "TDCA"))


def test_unknown_names_are_refused():
    for settings in ({}, {"name": "sspool"}, {"name": None}):
        with pytest.raises(ValueError, match="choose one of SSPool, AvgPool"):
            make_encoder(settings, 76)


def test_settings_are_not_changed():
    settings = {"name": "PRISM", "width": 8}
    make_encoder(settings, 76)
    assert settings == {"name": "PRISM", "width": 8}


def test_base_is_sspool():
    nets = []
    for name in ("Base", "SSPool"):
        torch.manual_seed(0)
        nets.append(make_encoder({"name": name, "width": 8}, 76).state_dict())
    assert list(nets[0]) == list(nets[1]) and all(torch.equal(a, b) for a, b in zip(nets[0].values(), nets[1].values()))
