"""Tests of nbs/policies/56_encoder.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch

from prism_repro.policies.encoder import PolicyEncoder
from prism_repro.policies.policy import Policy

CONFIG = {
    "cameras": ["b", "a"], "low_dim": {"x_pos": 3}, "image_size": 40, "crop_size": 36, "To": 2, "Tp": 8, "Ta": 4, "action_dim": 7,
    "encoder": {"name": "SSPool", "width": 4, "num_kp": 4}, "unet": {"down_dims": [16, 32], "step_embed_dim": 16}, "objective": {"name": "FM"},
}  # fmt: skip


def observe():
    g = torch.Generator().manual_seed(0)
    return {c: torch.rand(3, 2, 3, 36, 36, generator=g) for c in "ab"} | {"x_pos": torch.randn(3, 2, 3, generator=g)}


def test_the_normaliser_travels_along_and_the_copy_is_a_copy(tmp_path):
    policy = Policy.from_config(CONFIG, seed=0)
    policy.normalizer.x_pos_centre.fill_(0.7)
    expected = policy.condition(observe())
    encoder = PolicyEncoder.from_policy(policy)
    loaded = PolicyEncoder.from_pretrained(encoder.save_pretrained(tmp_path / "e"))
    policy.normalizer.x_pos_centre.fill_(0.0)
    assert torch.equal(loaded(observe()), expected) and torch.equal(encoder(observe()), expected)
    assert not torch.equal(policy.condition(observe()), expected)


@pytest.mark.parametrize("changes, message", [
    (dict(a=torch.rand(3, 2, 3, 40, 40)), r"'a' have shape \[3, 2, 3, 40, 40\], expected \[B, To, 3, 36, 36\]"), (dict(x_pos=torch.zeros(3, 2, 1)), r"'x_pos' has shape \[3, 2, 1\]"),
    (dict(x_pos=torch.zeros(3, 3)), r"'x_pos' has shape \[3, 3\], expected \[B, To, 3\]")])
def test_other_sizes_are_refused(changes, message):
    "Uncropped images have keypoints too, and a single number would be spread over all three ranges."
    with pytest.raises(ValueError, match=message):
        PolicyEncoder(CONFIG)(observe() | changes)


def test_policies_and_encoders_are_not_mixed_up(tmp_path):
    policy = Policy.from_config(CONFIG, seed=0)
    with pytest.raises(ValueError, match="expected kind 'prism_repro encoder', found 'prism_repro policy'"):
        PolicyEncoder.from_pretrained(policy.save_pretrained(tmp_path / "p"))
    with pytest.raises(ValueError, match="lacks \\['low_dim'\\]"):
        PolicyEncoder({k: v for k, v in CONFIG.items() if k != "low_dim"})
