"""Tests of nbs/crobo/75_baselines.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import safetensors.torch
import torch

from prism_repro.crobo.baselines import METHODS, CrossBlock, build, local_vit, method_config, random_vit
from prism_repro.crobo.model import draw_mask

SMALL = {"image_size": 32, "patch_size": 8, "encoder": {"dim": 32, "depth": 2, "heads": 2}, "decoder": {"dim": 16, "depth": 1, "heads": 2}, "mask_ratio": 0.75}


def tiny(method, **more):
    torch.manual_seed(0)
    return build(SMALL | {"method": method} | more)


def reaches(model, what, path=0):
    "Which tokens of the source a prediction depends on: all, the summary's only, or none."
    torch.manual_seed(1)
    source, target = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    keep, hidden = draw_mask(2, 16, 0.75, torch.Generator().manual_seed(0))
    tokens = model.tokens(source).detach().requires_grad_()
    model.tokens = lambda images: tokens
    model.predictions(source, target, keep, hidden)[path].square().sum().backward()
    if tokens.grad is None:
        return "none"
    felt = tokens.grad.abs().amax((0, 2)) > 0
    return "all" if felt.all() else "summary" if felt.tolist() == [True] + [False] * 16 else felt.tolist()


@pytest.mark.parametrize("method, path, expected", [("CroBo", 0, "summary"), ("ToBo", 0, "summary"), ("ToBo", 1, "all"), ("CropMAE", 0, "all"), ("MAE", 0, "none")])
def test_what_of_the_source_reaches_the_decoder(method, path, expected):
    assert reaches(tiny(method), "source", path) == expected


def test_cross_attention_is_pytorch_s():
    torch.manual_seed(0)
    block, x, memory = CrossBlock(32, 4), torch.randn(2, 5, 32), torch.randn(2, 7, 32)
    layer = torch.nn.MultiheadAttention(32, 4, batch_first=True)
    layer.load_state_dict({"in_proj_weight": torch.cat([block.q.weight, block.kv.weight]), "in_proj_bias": torch.cat([block.q.bias, block.kv.bias]), "out_proj.weight": block.proj.weight, "out_proj.bias": block.proj.bias})
    y = x + block.attn(block.norm1(x))
    z = y + layer(block.norm_cross(y), memory, memory)[0]
    torch.testing.assert_close(block(x, memory), z + block.mlp(block.norm2(z)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(block(x), y + block.mlp(block.norm2(y)))


def test_tobo_s_picture_is_painted_from_the_bottleneck():
    model = tiny("ToBo").eval()
    source, target = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    keep, hidden = draw_mask(2, 16, 0.75, torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.predict(source, target, keep, hidden), model.predictions(source, target, keep, hidden)[0])


def test_only_a_bottleneck_can_be_exchanged():
    token = torch.zeros(2, 32)
    keep, hidden = draw_mask(2, 16, 0.75, torch.Generator().manual_seed(0))
    for method in ("MAE", "CropMAE"):
        with pytest.raises(ValueError, match="the swap test is for CroBo and ToBo"):
            tiny(method).predict(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), keep, hidden, token)


def test_every_method_learns_every_weight():
    "A weight without a gradient would drift away under weight decay."
    for method in METHODS:
        model = tiny(method)
        model.loss({"source": torch.rand(2, 3, 32, 32), "target": torch.rand(2, 3, 32, 32)}, torch.Generator().manual_seed(0)).mean().backward()
        assert [n for n, p in model.named_parameters() if p.grad is None] == [], method


def test_methods_and_pairs():
    assert {m: method_config({"method": m})["views"]["pair"] for m in METHODS} == {"CroBo": "crop", "MAE": "single", "CropMAE": "crop", "ToBo": "time"}
    assert method_config({"views": {"pair": "time+crop"}})["views"]["pair"] == "time+crop"
    for config, text in (({"method": "DINO"}, "no pre-training method 'DINO': choose one of CroBo, MAE"), ({"method": "MAE", "views": {"pair": "crop"}}, "MAE cannot be trained on pair='crop'"), ({"views": {"pair": "single"}}, "CroBo cannot be")):
        with pytest.raises(ValueError, match=text):
            method_config(config)


def test_a_random_network_leaves_the_generator_alone():
    before = torch.random.get_rng_state()
    a, b, c = (random_vit(SMALL, s) for s in (0, 0, 1))
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.random.get_rng_state()) and torch.equal(a.token(images), b.token(images)) and not torch.equal(a.token(images), c.token(images))
    assert not any(p.requires_grad for p in a.parameters())


def test_a_local_vit_takes_images_between_zero_and_one(tmp_path):
    vit = tiny("MAE").encoder
    safetensors.torch.save_file({n: x.clone() for n, x in vit.state_dict().items()}, tmp_path / "vit.safetensors")
    images = torch.rand(2, 3, 32, 32)
    frozen, mean, std = local_vit(tmp_path / "vit.safetensors"), torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    frozen.encoder.blocks.apply(lambda m: setattr(m, "heads", 2) if hasattr(m, "heads") else None)
    torch.testing.assert_close(frozen.token(images), vit((images - mean.view(3, 1, 1)) / std.view(3, 1, 1))[:, 0])
    with pytest.raises(ValueError, match="dim: expected 384, found 32"):
        local_vit(tmp_path / "vit.safetensors", expected={"dim": 384})


def test_every_method_normalises_source_and_target():
    "Each prediction by hand, from images that were normalised with ImageNet's numbers typed again."
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    torch.manual_seed(1)
    source, target = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    keep, hidden = draw_mask(2, 16, 0.75, torch.Generator().manual_seed(0))
    for method in METHODS:
        model = tiny(method).eval()
        whole, seen, decode = model.encoder((source - mean) / std), model.encoder((target - mean) / std, keep), model.decoder
        looks = lambda: decode(seen[:, 0], seen[:, 1:], keep, hidden, decode.embed(whole))
        wanted = {"CroBo": lambda: [decode(whole[:, 0], seen[:, 1:], keep, hidden)], "MAE": lambda: [decode(seen[:, 0], seen[:, 1:], keep, hidden)], "CropMAE": lambda: [looks()],
                  "ToBo": lambda: [decode(whole[:, 0], seen[:, 1:], keep, hidden), looks()]}[method]()  # fmt: skip
        for found, by_hand in zip(model.predictions(source, target, keep, hidden), wanted, strict=True):
            torch.testing.assert_close(found, by_hand)
        torch.testing.assert_close(model.predict(source, target, keep, hidden), wanted[0])
        torch.testing.assert_close(model.tokens(source), whole)
