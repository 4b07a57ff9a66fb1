"""Tests of nbs/training/61_ranks.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import os
import subprocess
import sys

import numpy as np
from safetensors.torch import load_file

from prism_repro.training.ranks import average_gradients, ranks, share


SCRIPT = '''
import sys, torch
from torch import nn
from safetensors.torch import save_file
from prism_repro.training.loop import train


class Line(nn.Module):  # fits y = 3 x - 1 without any noise
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 1)

    def loss(self, batch, generator):
        return (self.linear(batch["x"]) - batch["x"].sum(1, keepdim=True) * 3 + 1).square().mean(1)

    def save_pretrained(self, folder):
        folder.mkdir()
        save_file(self.state_dict(), folder / "model.safetensors")


class Numbers:
    def __len__(self):
        return 64

    def digest(self):
        return "numbers"


def make_batch(data, config, batch_size, seed, step, device):
    from prism_repro.training.ranks import share
    return {"x": torch.randn(batch_size, 4, generator=torch.Generator().manual_seed(step))[share(batch_size)]}


def build(config):
    return Line()


if __name__ == "__main__":
    for steps in (6, 12):  # two runs in one process
        train({}, dict(steps=steps, batch_size=8, lr=0.1, warmup_steps=1, ema_power=0.0, checkpoint_every=3), Numbers(), f"{sys.argv[1]}/{steps}", 0,
              progress=False, build=build, make_batch=make_batch, check=None)
'''


def test_two_ranks_learn_what_one_learns(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "script.py", "one"], cwd=tmp_path, env=environment, check=True, timeout=120)
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "script.py", "two"], cwd=tmp_path, env=environment, check=True, timeout=180)
    for steps in ("6", "12"):
        one, two = (load_file(tmp_path / many / steps / "final" / "model.safetensors") for many in ("one", "two"))
        for name in one:
            np.testing.assert_allclose(one[name], two[name], rtol=1e-5, atol=1e-6)
    logs = [(tmp_path / many / "12" / "log.jsonl").read_text().count("\n") for many in ("one", "two")]
    assert logs[0] == logs[1]  # one rank writes
