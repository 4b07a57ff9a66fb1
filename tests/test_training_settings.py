"""Tests of nbs/training/59_settings.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.training.settings import learning_rate, resolve


@pytest.mark.parametrize(
    "change, match",
    [({"stesp": 1}, r"Unknown training settings \['stesp'\]"), ({"steps": 0}, "steps=0: expected an integer"), ({"batch_size": 2.5}, "batch_size=2.5"), ({"precision": "fp16"}, "expected 'float32' or 'bfloat16'"),
     ({"steps": True}, "steps=True: expected an integer"), ({"lr": 0}, "lr=0: expected a finite number above 0"), ({"lr": float("inf")}, "lr=inf"), ({"lr": "1e-4"}, "lr='1e-4'"),
     ({"ema_power": -0.5}, "ema_power=-0.5: expected a finite number of at least 0"), ({"ema_power": float("nan")}, "ema_power=nan"), ({"eps": -1}, "eps=-1"), ({"weight_decay": -1e-6}, "weight_decay=-1e-06"),
     ({"warmup_steps": -1}, "warmup_steps=-1: expected a finite number of at least 0"), ({"warmup_steps": "3"}, "warmup_steps='3'"),
     *[({"grad_clip": wrong}, "grad_clip=.*: expected a number above 0, or None") for wrong in (0, -1.0, float("nan"), "1")],
     *[({"betas": wrong}, "betas=.*: expected two numbers of at least 0 and below 1") for wrong in (0.9, [0.9], [0.9, 1.0], [-0.1, 0.9], [0.9, float("nan")], "ab")],
     *[({"snapshots": wrong}, "snapshots=.*: expected a list of steps from 1 to steps=5") for wrong in (3, None, "3", [0], [5, 6], [2.5], ["3"])],
     ({"deterministic": "no"}, "deterministic='no': expected True or False"), ({"log_every": 0}, "log_every=0"), ({"checkpoint_every": None}, "checkpoint_every=None"), ({"decay": ["all"]}, "decay=")],
)
def test_settings_are_checked(change, match):
    with pytest.raises(ValueError, match=match):
        resolve({"steps": 5, "warmup_steps": 0, **change})
    with pytest.raises(ValueError, match="lack 'steps'"):
        resolve({})


def test_settings_at_the_edge_pass_unchanged():
    given = {"steps": 5, "warmup_steps": 0, "lr": 1, "betas": (0, 0.9), "eps": 0, "weight_decay": 0, "ema_power": 0, "grad_clip": 0.5, "snapshots": [1, 5], "deterministic": True, "decay": "matrices"}
    assert {key: resolve(given)[key] for key in given} == given


def test_the_rate_is_defined_at_the_edges():
    config = resolve({"steps": 4, "warmup_steps": 3, "lr": 1.0})  # hardly more than warm-up
    assert [learning_rate(k, config) for k in range(4)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    config = resolve({"steps": 4, "warmup_steps": 0, "lr": 1.0})  # no warm-up
    assert [learning_rate(k, config) for k in range(4)] == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)


@pytest.mark.parametrize("steps, warmup", [(500, 500), (10, 500)])
def test_a_warm_up_that_never_ends_is_refused(steps, warmup):
    with pytest.raises(ValueError, match="never leave its warm-up"):
        resolve({"steps": steps, "warmup_steps": warmup})
