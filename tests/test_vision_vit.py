"""Tests of nbs/vision/17_vit.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import safetensors.torch
import torch
from torch import nn

from prism_repro.vision.vit import VIT_S16, Attention, Block, ViT, load_vit, patchify, positions, unpatchify


def reference(block, heads):
    "PyTorch's own transformer layer with this block's weights."
    dim = block.norm1.weight.numel()
    layer = nn.TransformerEncoderLayer(dim, heads, block.mlp.fc1.out_features, dropout=0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True)
    names = {"self_attn.in_proj_weight": block.attn.qkv.weight, "self_attn.in_proj_bias": block.attn.qkv.bias, "self_attn.out_proj.weight": block.attn.proj.weight, "self_attn.out_proj.bias": block.attn.proj.bias,
             "linear1.weight": block.mlp.fc1.weight, "linear1.bias": block.mlp.fc1.bias, "linear2.weight": block.mlp.fc2.weight, "linear2.bias": block.mlp.fc2.bias,
             **{f"{n}.{w}": getattr(getattr(block, n), w) for n in ("norm1", "norm2") for w in ("weight", "bias")}}
    layer.load_state_dict({name: x.detach().clone() for name, x in names.items()})
    return layer.train()  # evaluation takes a fused path of PyTorch's


@pytest.mark.parametrize("dim, heads, tokens", [(48, 4, 17), (64, 1, 5), (384, 6, 50)])
@pytest.mark.parametrize("learning", [True, False])
def test_a_block_is_pytorch_s_transformer_layer(dim, heads, tokens, learning):
    torch.manual_seed(0)
    block = Block(dim, heads)
    for p in block.parameters():
        nn.init.normal_(p, std=0.1)
    x = torch.randn(3, tokens, dim)
    with torch.set_grad_enabled(learning):
        torch.testing.assert_close(block(x), reference(block, heads)(x), atol=1e-5, rtol=1e-4)


def test_the_whole_encoder_is_convolution_positions_layers_norm():
    torch.manual_seed(0)
    vit, images = ViT(32, 8, 48, 3, 4), torch.rand(2, 3, 32, 32)
    for p in vit.parameters():
        nn.init.normal_(p, std=0.1)
    x = torch.nn.functional.conv2d(images, vit.patch_embed.proj.weight, vit.patch_embed.proj.bias, stride=8).flatten(2).mT + positions(48, 4)
    x = torch.cat([vit.cls_token.expand(2, 1, -1), x], dim=1)
    for block in vit.blocks:
        x = reference(block, 4)(x)
    torch.testing.assert_close(vit(images), vit.norm(x), atol=1e-5, rtol=1e-4)


def test_gradients_agree_with_the_reference():
    torch.manual_seed(0)
    block = Block(32, 2)
    layer, x = reference(block, 2), torch.randn(2, 7, 32)
    block(x).square().sum().backward()
    layer(x).square().sum().backward()
    torch.testing.assert_close(block.attn.qkv.weight.grad, layer.self_attn.in_proj_weight.grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(block.mlp.fc1.weight.grad, layer.linear1.weight.grad, atol=1e-4, rtol=1e-4)


def test_hidden_patches_change_nothing_and_get_no_gradient():
    torch.manual_seed(0)
    vit, keep = ViT(32, 8, 32, 2, 2), torch.tensor([[0, 5, 9], [15, 2, 7]])
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    out = vit(images, keep)
    out.square().sum().backward()
    kept = torch.zeros(2, 16, dtype=torch.bool).scatter(1, keep, True)
    gradient = patchify(images.grad, 8).abs().amax(2)
    assert (gradient[~kept] == 0).all() and (gradient[kept] > 0).all()
    noise = unpatchify(patchify(torch.rand(2, 3, 32, 32), 8).masked_fill(kept[..., None], 0), 8)
    assert torch.equal(vit(images + noise, keep), out)
    torch.testing.assert_close(vit(images, keep.flip(1))[:, 1:].flip(1), out[:, 1:])  # a patch keeps its place in whatever order


def test_positions_tell_rows_from_columns():
    grid = positions(16, 5).unflatten(0, (5, 5))
    assert torch.equal(grid[0, :, 8:], grid[0, :1, 8:].expand(5, -1)) and torch.equal(grid[:, 0, :8], grid[:1, 0, :8].expand(5, -1))
    assert torch.cdist(grid.flatten(0, 1), grid.flatten(0, 1)).fill_diagonal_(1).min() > 0.1
    torch.testing.assert_close(grid[2, 3, :4], torch.sin(3 * 10_000.0 ** -(torch.arange(4) / 4)))
    torch.testing.assert_close(grid[2, 3, 12:], torch.cos(2 * 10_000.0 ** -(torch.arange(4) / 4)))


def test_weights_that_do_not_decay_are_vectors():
    for name, p in ViT(16, 8, 16, 1, 1, layer_scale=True).named_parameters():
        assert (p.ndim >= 2) == (name.endswith("weight") and "norm" not in name), name


@pytest.mark.parametrize("make, text", [
    (lambda: ViT(60, 16, 32, 1, 2), "Images of 60 px cannot be cut into patches of 16 px"), (lambda: ViT(8, 16, 32, 1, 2), "Images of 8 px cannot be cut"),
    (lambda: ViT(32, 16, 30, 1, 3), "multiple of four"), (lambda: Attention(32, 5), "5 heads cannot share 32"),
    (lambda: ViT(32, 16, 32, 1, 2)(torch.zeros(1, 3, 48, 48)), r"takes \(B, 3, 32, 32\)"), (lambda: patchify(torch.zeros(1, 3, 30, 32), 8), "30x32 px cannot be cut"),
])
def test_sizes_that_do_not_fit_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def saved(path, vit, change=lambda tensors: None):
    tensors = {n: x.clone() for n, x in vit.state_dict().items()}
    change(tensors)
    safetensors.torch.save_file(tensors, path)
    return path


@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_a_saved_vit_comes_back(tmp_path, prefix):
    vit = ViT(32, 8, 64, 2, 2, mlp=3)
    path = saved(tmp_path / "a.safetensors", vit, lambda t: [t.update({prefix + n: t.pop(n)}) for n in list(t)] and t.update({"decoder.head.weight": torch.zeros(2)}))
    images = torch.rand(1, 3, 32, 32)
    assert torch.equal(load_vit(path, heads=2)(images), vit(images))
    assert load_vit(path, {"image_size": 32, "dim": 64}).blocks[0].attn.heads == 1


@pytest.mark.parametrize("change, expected, text", [
    (lambda t: None, VIT_S16, "another size: image_size: expected 224, found 32; patch_size: expected 16, found 8; dim: expected 384, found 64"),
    (lambda t: t.pop("norm.weight"), None, r"norm.weight: expected \[64\], found nothing"),
    (lambda t: t.update(register_tokens=torch.zeros(1, 4, 64)), None, "register_tokens: expected nothing"),
    (lambda t: t.update({"blocks.1.attn.proj.weight": torch.zeros(32, 64)}), None, r"blocks.1.attn.proj.weight: expected \[64, 64\], found \[32, 64\]"),
    (lambda t: t.pop("pos_embed"), None, "holds no ViT under timm's"), (lambda t: t.update(pos_embed=torch.zeros(1, 13, 64)), None, "12 patches"),
])
def test_a_foreign_checkpoint_is_refused(tmp_path, change, expected, text):
    with pytest.raises(ValueError, match=text):
        load_vit(saved(tmp_path / "a.safetensors", ViT(32, 8, 64, 2, 1), change), expected)


def test_no_file_and_no_safetensors(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.safetensors does not exist"):
        load_vit(tmp_path / "nowhere.safetensors")
    (tmp_path / "a.safetensors").write_bytes(b"PK" * 40)
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        load_vit(tmp_path / "a.safetensors")


def test_stretched_positions_keep_their_places(tmp_path):
    path = saved(tmp_path / "a.safetensors", ViT(32, 8, 64, 1, 1))
    vit = load_vit(path, image_size=64)
    coarse, fine = positions(64, 4).unflatten(0, (4, 4)), vit.pos_embed[1:].unflatten(0, (8, 8))
    assert vit.grid == 8 and (fine[2:4, 4:6].mean((0, 1)) - coarse[1, 2]).abs().max() < 0.2
