"""Tests of nbs/training/59_settings.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.training.settings import learning_rate, resolve


@pytest.mark.parametrize(
    "change, match",
    [({"stesp": 1}, r"Unknown training settings \['stesp'\]"), ({"steps": 0}, "steps=0: expected an integer"), ({"batch_size": 2.5}, "batch_size=2.5"), ({"precision": "fp16"}, "expected 'float32' or 'bfloat16'")],
)
def test_settings_are_checked(change, match):
    with pytest.raises(ValueError, match=match):
        resolve({"steps": 5, "warmup_steps": 0, **change})
    with pytest.raises(ValueError, match="lack 'steps'"):
        resolve({})


def test_the_rate_is_defined_at_the_edges():
    config = resolve({"steps": 4, "warmup_steps": 3, "lr": 1.0})  # hardly more than warm-up
    assert [learning_rate(k, config) for k in range(4)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    config = resolve({"steps": 4, "warmup_steps": 0, "lr": 1.0})  # no warm-up
    assert [learning_rate(k, config) for k in range(4)] == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)


@pytest.mark.parametrize("steps, warmup", [(500, 500), (10, 500), (100, -1)])
def test_a_warm_up_that_never_ends_is_refused(steps, warmup):
    with pytest.raises(ValueError, match="never leave its warm-up"):
        resolve({"steps": steps, "warmup_steps": warmup})
