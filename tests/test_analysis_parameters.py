"""Tests of nbs/analysis/75_parameters.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch

from prism_repro.analysis.parameters import LAYOUTS, UNETS, count, count_policy, count_variants
from prism_repro.policies.policy import Policy


def test_counting_on_meta_is_counting_the_policy():
    small = dict(name="PRISM", width=16)
    config = dict(cameras=["a", "b"], low_dim=dict(robot0_eef_pos=3), image_size=84, crop_size=76, To=2, Tp=16, Ta=8, action_dim=7, encoder=small,
                  objective=dict(name="FM", num_steps=10), unet=dict(down_dims=[32, 64], step_embed_dim=128, kernel_size=5, n_groups=8))
    policy = Policy.from_config(config, seed=0)
    found = count_policy(small, 2, (32, 64), low_dim=dict(robot0_eef_pos=3))
    assert found["policy"] == sum(p.numel() for p in policy.parameters()) and found["encoder"] == count(policy.encoder)
    assert found["policy"] == found["encoder"] + found["unet"]


def test_nothing_is_allocated_and_no_default_device_stays():
    found = count_policy(dict(name="NoPool"), 2, UNETS["512"])
    assert round(found["unet"] / 1e6, 1) == 776.7
    assert torch.zeros(1).device.type == "cpu"


def test_nopool_depends_on_the_crop_and_pooling_does_not():
    assert count_policy(dict(name="NoPool"), crop_size=76)["dim"] == 4608 < count_policy(dict(name="NoPool"), image_size=128, crop_size=116)["dim"]
    assert count_policy(dict(name="AvgPool"), crop_size=76) == count_policy(dict(name="AvgPool"), image_size=128, crop_size=116)


def test_a_record_entry_counts_one_camera_and_every_layout():
    [m] = count_variants({"x": dict(name="SSPool", width=16)})
    assert m["encoder"] * 2 == count_policy(dict(name="SSPool", width=16))["encoder"] and m["policy"] == m["policies"][0]["policy"]
    assert [(p["cameras"], p["unet"]) for p in m["policies"]] == [(2, "256"), (1, "256"), (2, "512"), (1, "512")] == [(x["cameras"], x["unet"]) for x in LAYOUTS]
    with pytest.raises(ValueError, match="no encoder"):
        count_variants({"x": dict(name="Pool")})
