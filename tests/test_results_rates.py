"""Tests of nbs/results/81_rates.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import math

import pytest

from prism_repro.results.rates import Rate, gap, mean_rate, rate_of, suite_rates


def episodes(k, n, **more):
    return [dict(seed=i, success=i < k, **more) for i in range(n)]


def record(counts, n=10, checkpoints=("last",)):
    measurements = [dict(seed=s, checkpoint=c, weights="ema", episodes=episodes(k + i, n)) for s, k in enumerate(counts) for i, c in enumerate(checkpoints)]
    return dict(cell="x", config=dict(seeds=list(range(len(counts)))), measurements=measurements)


def test_a_record_becomes_a_rate():
    rate = rate_of(record([4, 6], checkpoints=("last", "step_5")))
    assert (rate.k, rate.n, rate.rate, rate.best) == (10, 20, 0.5, 0.6) and rate.per_seed == {0: 0.4, 1: 0.6}
    assert math.isclose(rate.std, math.sqrt(0.02)) and (round(rate.low, 4), round(rate.high, 4)) == (0.2993, 0.7007)
    assert rate_of(record([4])).best is None and rate_of(record([4])).std is None


def test_a_mean_by_hand():
    a, b = Rate(0.5, 0.4, 0.7, 5, 10, {0: 0.4, 1: 0.6}, 0.6), Rate(0.9, 0.6, 1.0, 18, 20, {1: 1.0, 0: 0.8}, 0.9)
    mean = mean_rate([a, b])
    assert math.isclose(mean.rate, 0.7) and (mean.k, mean.n, mean.best) == (23, 30, 0.75)
    assert math.isclose(mean.low, 0.7 - 0.5 * math.hypot(0.1, 0.3)) and math.isclose(mean.high, 0.7 + 0.5 * math.hypot(0.2, 0.1))
    assert {seed: round(r, 12) for seed, r in mean.per_seed.items()} == {0: 0.6, 1: 0.8}
    assert mean_rate([a]) is a and mean_rate([a, Rate(0.9, 0.6, 1.0, 18, 20, {2: 0.9})]).std is None and mean_rate([a, Rate(0.9, 0.6, 1.0, 18, 20, {0: 0.9})]).best is None
    with pytest.raises(ValueError, match="No rates"):
        mean_rate([])


def test_a_gap_by_hand():
    a, b = Rate(0.8, 0.7, 0.85, 8, 10, {}), Rate(0.5, 0.4, 0.7, 5, 10, {})
    found = gap(a, b)
    assert math.isclose(found.value, 0.3) and math.isclose(found.low, 0.3 - math.hypot(0.1, 0.2)) and math.isclose(found.high, 0.3 + math.hypot(0.05, 0.1))
    assert found.apart and gap(b, a).apart and not gap(a, a).apart and math.isclose(gap(b, a).high, -found.low)


def test_a_suite_is_counted_task_by_task():
    suite = record([0, 0], checkpoints=("last", "step_5"))
    for m in suite["measurements"]:
        m["episodes"] = episodes(1, 4, task="libero_10_0") + episodes(3, 4, task="libero_10_1")
    assert suite_rates(suite) == {"libero_10_0": (2, 8), "libero_10_1": (6, 8)} and suite_rates(record([1])) == {}
