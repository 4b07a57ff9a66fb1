"""Tests of nbs/results/81_rates.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import math

import pytest

from prism_repro.results.rates import Rate, gap, mean_rate, rate_of, shared_luck, suite_rates
from prism_repro.results.statistics import wilson


def episodes(k, n, **more):
    return [dict(seed=i, success=i < k, **more) for i in range(n)]


def record(counts, n=10, checkpoints=("last",)):
    measurements = [dict(seed=s, checkpoint=c, weights="ema", episodes=episodes(k + i, n)) for s, k in enumerate(counts) for i, c in enumerate(checkpoints)]
    return dict(cell="x", config=dict(task="lift", seeds=list(range(len(counts)))), measurements=measurements)


def test_a_record_becomes_a_rate():
    rate = rate_of(record([4, 6], checkpoints=("last", "step_5")))
    assert (rate.k, rate.n, rate.rate, rate.best) == (10, 20, 0.5, 0.6) and rate.per_seed == {0: 0.4, 1: 0.6}
    assert math.isclose(rate.std, math.sqrt(0.02)) and math.isclose(rate.independent, 11.25), "deviations of 1, 0 and -1 from half of two: 8 in squares"
    assert (round(rate.low, 4), round(rate.high, 4)) == (0.2477, 0.7523) and rate.episodes["lift", 0] == 1 and rate.episodes["lift", 4] == 0.5
    assert rate_of(record([4])).best is None and rate_of(record([4])).std is None


def test_episodes_that_all_seeds_agree_on_count_once():
    six, one = rate_of(record([15] * 6, n=40)), rate_of(record([15], n=40))
    assert (six.n, six.independent, one.independent) == (240, 40, 40)
    assert math.isclose(six.low, one.low) and math.isclose(six.high, one.high) and (one.low, one.high) == wilson(15, 40)
    wide, other = gap(six, rate_of(record([5] * 6, n=40))), gap(one, rate_of(record([5], n=40)))
    assert math.isclose(wide.low, other.low) and math.isclose(wide.high, other.high)


def test_a_mean_over_shared_episodes_is_known_no_better_than_its_parts():
    a, b = rate_of(record([4], n=10)), rate_of(record([4], n=10))
    assert shared_luck(a, b) == 1 and math.isclose(mean_rate([a, b]).low, a.low) and math.isclose(mean_rate([a, b]).high, a.high)
    elsewhere = rate_of(record([4], n=10) | dict(config=dict(task="can", seeds=[0])))
    assert shared_luck(a, elsewhere) == 0 and math.isclose(mean_rate([a, elsewhere]).low, 0.4 - (0.4 - a.low) / math.sqrt(2))
    half = rate_of(record([4], n=20))  # episodes 0 to 9 are a's, 10 to 19 its own
    assert math.isclose(shared_luck(a, half), 10 / math.sqrt(200)) and shared_luck(a, rate_of(record([0], n=10))) == 0
    assert shared_luck(a, b, opposed=True) < 1 and shared_luck(a, Rate(0.5, 0.4, 0.6, 5, 10, {})) == 0


def paired(both, first, second, neither):
    "Two rates of one training seed, from the counts of shared episodes."
    rows = [(1, 1)] * both + [(1, 0)] * first + [(0, 1)] * second + [(0, 0)] * neither
    one = lambda i: dict(cell="x", config=dict(seeds=[0]), measurements=[dict(seed=0, checkpoint="last", weights="ema", episodes=[dict(seed=e, success=bool(row[i])) for e, row in enumerate(rows)])])
    return rate_of(one(0)), rate_of(one(1))


def test_a_gap_on_shared_episodes_is_newcombes():
    # Newcombe 1998 (Improved confidence intervals for the difference between binomial proportions based on paired data), method 10
    for counts, low, high in (((36, 12, 2, 0), 0.0569, 0.3404), ((20, 12, 2, 16), 0.0562, 0.3292)):
        found = gap(*paired(*counts))
        assert (round(found.low, 4), round(found.high, 4)) == (low, high) and math.isclose(found.value, 0.2)
    same = gap(*paired(10, 0, 0, 10))
    assert same.value == 0 and same.low < -0.05 and same.high > 0.05, "arms that agree throughout are not equal for certain"


def test_a_gap_of_means_pairs_task_by_task():
    a, b = paired(20, 12, 2, 16)
    elsewhere = [Rate(r.rate, r.low, r.high, r.k, r.n, {}, episodes={("can", e): x for (_, e), x in r.episodes.items()}) for r in (a, b)]
    one, two = gap(a, b), gap(*(mean_rate(pair) for pair in zip((a, b), elsewhere)))
    assert math.isclose(two.value, one.value) and math.isclose(two.value - two.low, (one.value - one.low) / math.sqrt(2))


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
    rates = suite_rates(suite)
    assert {task: (r.k, r.n, r.rate) for task, r in rates.items()} == {"libero_10_0": (2, 8, 0.25), "libero_10_1": (6, 8, 0.75)} and suite_rates(record([1])) == {}
    assert math.dist((rates["libero_10_0"].low, rates["libero_10_0"].high), wilson(1, 4)) < 1e-12, "both seeds agree on every episode"
