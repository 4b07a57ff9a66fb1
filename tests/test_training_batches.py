"""Tests of nbs/training/61_batches.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest
import torch

from prism_repro.data.windows import Windows
from prism_repro.training.batches import make_batch


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_batch_is_the_same_on_a_gpu():
    rng = np.random.default_rng(0)
    arrays = {"agentview": rng.integers(0, 256, (40, 28, 28, 3), dtype=np.uint8), "actions": rng.standard_normal((40, 7)).astype(np.float32)}
    windows, config = Windows(arrays, ["demo_0", "demo_1"], [20, 20], To=2, Tp=8, Ta=4), dict(cameras=["agentview"], low_dim={}, crop_size=24)
    for step in range(3):
        here, there = (make_batch(windows, config, 8, 0, step, device) for device in ("cpu", "cuda"))
        assert all(torch.equal(here[key], there[key].cpu()) for key in here) and there["agentview"].is_cuda
