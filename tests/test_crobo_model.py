"""Tests of nbs/crobo/74_model.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch

from prism_repro.crobo.baselines import METHODS, build, load_pretrained
from prism_repro.crobo.model import CONFIG, CroBo, draw_mask, resolve, visible_patches
from prism_repro.vision.vit import patchify, unpatchify

SMALL = {"image_size": 32, "patch_size": 8, "encoder": {"dim": 32, "depth": 2, "heads": 2}, "decoder": {"dim": 16, "depth": 1, "heads": 2}, "mask_ratio": 0.75}


def tiny(method="CroBo", **more):
    torch.manual_seed(0)
    return build(SMALL | {"method": method} | more)


def batch(n=3):
    torch.manual_seed(1)
    return {"source": torch.rand(n, 3, 32, 32), "target": torch.rand(n, 3, 32, 32)}


@pytest.mark.parametrize("patches, ratio, visible", [(196, 0.9, 19), (196, 0.75, 49), (196, 0.95, 9), (196, 0.975, 4), (64, 0.9, 6), (100, 0.9, 10), (1000, 0.9, 100), (10, 0.3, 7), (144, 0.9, 14)])
def test_exactly_floor_of_the_rest_stays_visible(patches, ratio, visible):
    keep, hidden = draw_mask(5, patches, ratio, torch.Generator().manual_seed(0))
    assert visible_patches(patches, ratio) == visible and keep.shape == (5, visible) and hidden.shape == (5, patches - visible)
    assert all(sorted(k + h) == list(range(patches)) for k, h in zip(keep.tolist(), hidden.tolist()))


@pytest.mark.parametrize("ratio", [0.0, 1.0, 0.999])
def test_a_mask_of_nothing_or_everything_is_refused(ratio):
    with pytest.raises(ValueError, match="of 64 patches visible: at least one"):
        visible_patches(64, ratio)
    with pytest.raises(ValueError, match="patches visible"):
        tiny(mask_ratio=ratio)


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("normalize", [True, False])
def test_hidden_pixels_of_the_target_are_never_seen(method, normalize):
    "Predictions do not move, to the bit, when hidden patches do; they do move with a visible one."
    model, b = tiny(method, normalize_pixels=normalize), batch()
    keep, hidden = draw_mask(3, 16, 0.75, torch.Generator().manual_seed(0))
    noise = torch.zeros(3, 16, 192).scatter(1, hidden[..., None].expand(-1, -1, 192), 1.0) * torch.rand(3, 16, 192)
    before = model.predictions(b["source"], b["target"], keep, hidden)
    after = model.predictions(b["source"], b["target"] + unpatchify(noise, 8), keep, hidden)
    assert all(torch.equal(x, y) for x, y in zip(before, after))
    seen = torch.zeros(3, 16, 192)
    seen[torch.arange(3), keep[:, 0]] = 0.5
    assert all((x - y).abs().amax() > 1e-4 for x, y in zip(before, model.predictions(b["source"], b["target"] + unpatchify(seen, 8), keep, hidden)))


@pytest.mark.parametrize("method", list(METHODS))
def test_the_loss_is_the_mean_over_hidden_patches_alone(method):
    model, b = tiny(method), batch()
    keep, hidden = draw_mask(3, 16, 0.75, torch.Generator().manual_seed(5))
    truth, loss = model.targets(b["target"]), model.loss(b, torch.Generator().manual_seed(5))
    at = torch.zeros(3, 16, 1).scatter(1, keep[..., None], 1.0)
    model.targets = lambda images: truth + 100 * at
    assert torch.equal(model.loss(b, torch.Generator().manual_seed(5)), loss)
    model.targets = lambda images: truth + 100 * (1 - at)
    assert (model.loss(b, torch.Generator().manual_seed(5)) > loss + 1000).all()
    model.targets = lambda images: truth
    by_hand = sum(torch.stack([(p[i] - truth[i, hidden[i]]).square().mean() for i in range(3)]) for p in model.predictions(b["source"], b["target"], keep, hidden))
    torch.testing.assert_close(loss, by_hand)


def test_normalised_targets_have_mean_zero_and_deviation_one():
    y = tiny(normalize_pixels=True).targets(batch()["target"])
    torch.testing.assert_close(y.mean(2), torch.zeros(3, 16), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std(2), torch.ones(3, 16), atol=1e-4, rtol=0)
    flat = tiny(normalize_pixels=True).targets(torch.full((1, 3, 32, 32), 0.4))
    assert flat.isfinite().all()


@pytest.mark.parametrize("normalize", [True, False])
def test_a_perfect_prediction_is_the_picture(normalize):
    model, b = tiny(normalize_pixels=normalize), batch()
    keep, _ = draw_mask(3, 16, 0.75, torch.Generator().manual_seed(0))
    model.predict = lambda source, target, keep, of, token=None: model.targets(target)
    torch.testing.assert_close(model.reconstruct(b["source"], b["target"], keep), b["target"], atol=1e-5, rtol=0)
    model.predict = lambda source, target, keep, of, token=None: torch.full((3, 16, 192), 50.0)
    painted = patchify(model.reconstruct(b["source"], b["target"], keep), 8)
    kept = torch.zeros(3, 16, dtype=torch.bool).scatter(1, keep, True)
    torch.testing.assert_close(painted[kept], patchify(b["target"], 8)[kept], atol=1e-5, rtol=0)
    assert (painted[~kept] == 1).all()


def test_the_source_acts_through_its_token_alone():
    model, b = tiny(), batch()
    keep, hidden = draw_mask(3, 16, 0.75, torch.Generator().manual_seed(0))
    token = model.token(b["source"])
    assert torch.equal(model.predict(None, b["target"], keep, hidden, token), model.predict(b["source"], b["target"], keep, hidden))
    assert not torch.equal(model.predict(None, b["target"], keep, hidden, token.roll(1, 0)), model.predict(b["source"], b["target"], keep, hidden))
    tokens = model.tokens(b["source"])
    assert tokens.shape == (3, 17, 32) and torch.equal(tokens[:, 0], token)


def test_autocast_changes_little():
    model, b = tiny(), batch()
    exact = model.loss(b, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        rough = model.loss(b, torch.Generator().manual_seed(0))
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("method", list(METHODS))
def test_saved_and_read_back(tmp_path, method):
    model, b = tiny(method, views={"flip": 0.0}), batch()
    model.save_pretrained(tmp_path)
    again = load_pretrained(tmp_path)
    assert type(again) is type(model) and again.config == model.config and not again.training
    assert torch.equal(again.token(b["source"]), model.eval().token(b["source"]))
    other = next(m for name, m in METHODS.items() if name != method)
    with pytest.raises(ValueError, match=f"one of '{method}'"):
        other.from_pretrained(tmp_path)


def test_files_of_another_size_are_refused(tmp_path):
    tiny().save_pretrained(tmp_path / "a")
    tiny(encoder={"dim": 48, "depth": 2, "heads": 2}).save_pretrained(tmp_path / "b")
    (tmp_path / "a/model.safetensors").write_bytes((tmp_path / "b/model.safetensors").read_bytes())
    with pytest.raises(ValueError, match="saved with another configuration"):
        load_pretrained(tmp_path / "a")


@pytest.mark.parametrize("config, text", [
    ({"mask": 0.9}, "Unknown pre-training settings .'mask'."), ({"encoder": {"dim": 32, "depth": 1}}, "The encoder is given by dim, depth and heads; found depth, dim"),
    ({"patch_size": 7}, "patches of 7 px"), ({"views": {"pair": "x"}}, "pair='x'"), ({"decoder": {"dim": 18, "depth": 1, "heads": 2}}, "multiple of four"),
    ({"method": "MAE"}, "one of 'MAE', and this is CroBo"),
])
def test_impossible_configurations_are_refused(config, text):
    with pytest.raises(ValueError, match=text):
        CroBo(SMALL | config)


def test_the_default_is_the_paper_s():
    c = resolve({})
    assert c["encoder"] == {"dim": 384, "depth": 12, "heads": 6} and c["decoder"] == {"dim": 512, "depth": 8, "heads": 16} and c["mask_ratio"] == 0.9
    assert c["views"]["global"] == [0.5, 1.0] and c["views"]["local"] == [0.3, 0.6] and c["normalize_pixels"] and CONFIG["views"] == {}


def normalised(images):
    "By hand, with ImageNet's numbers typed again."
    return torch.stack([(images[:, c] - mean) / std for c, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225)))], dim=1)


def test_every_image_is_normalised_before_it_is_encoded():
    "Left out on one way and not on the other, the network would be asked about images of a kind that it never saw."
    model, b = tiny(), batch()
    keep, hidden = draw_mask(3, 16, 0.75, torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.tokens(b["source"]), model.encoder(normalised(b["source"])))
    torch.testing.assert_close(model.token(b["source"]), model.encoder(normalised(b["source"]))[:, 0])
    by_hand = model.decoder(model.encoder(normalised(b["source"]))[:, 0], model.encoder(normalised(b["target"]), keep)[:, 1:], keep, hidden)
    torch.testing.assert_close(model.predict(b["source"], b["target"], keep, hidden), by_hand)
    torch.testing.assert_close(tiny(normalize_pixels=False).targets(b["target"]), patchify(normalised(b["target"]), 8))
    assert (model.encoder(b["source"]) - model.tokens(b["source"])).abs().amax() > 0.01, "and it matters"
