"""Tests of nbs/results/81_statistics.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import math

import numpy as np
import pytest

from prism_repro.results.statistics import cluster_bootstrap, pool, wilson


def record_of(*measurements, seeds=(0,)):
    keys = ("seed", "checkpoint", "weights", "episodes")
    rows = [dict(zip(keys, (s, c, w, [dict(seed=i, success=bool(x)) for i, x in enumerate(e)]))) for s, c, w, e in measurements]
    return dict(cell="synthetic", config=dict(seeds=list(seeds)), measurements=rows)


@pytest.mark.parametrize("k, n", [(1, 1), (3, 7), (27, 50), (199, 200)])
def test_wilson_solves_its_equation(k, n):
    z = 1.959963984540054
    for p in wilson(k, n):
        assert math.isclose(abs(k / n - p), z * math.sqrt(p * (1 - p) / n), abs_tol=1e-9)
    assert wilson(k, n, 0.5)[0] > wilson(k, n)[0]


@pytest.mark.parametrize("k, n", [(0, 0), (5, 4), (-1, 3)])
def test_impossible_counts_are_refused(k, n):
    with pytest.raises(ValueError, match="have no success rate"):
        wilson(k, n)


def test_headline_reads_the_last_ema_checkpoint_only():
    record = record_of((0, "last", "ema", [1, 0]), (0, "last", "raw", [1, 1]), (0, "step_10", "ema", [1, 1]))
    assert (pool(record).k, pool(record).n, pool(record).std, pool(record).checkpoints) == (1, 2, None, 2)
    assert pool(record, "max").k == 2 and pool(record, "max").optimistic and not pool(record).optimistic


def test_a_seed_without_a_last_checkpoint_is_an_error():
    record = record_of((0, "last", "ema", [1]), (1, "step_10", "ema", [1]), seeds=(0, 1))
    with pytest.raises(ValueError, match="seed 1 has no measurement of checkpoint 'last'"):
        pool(record)
    with pytest.raises(ValueError, match="rule 'best' is unknown"):
        pool(record, "best")


def test_std_is_the_sample_deviation():
    record = record_of((0, "last", "ema", [1, 1, 0, 0]), (1, "last", "ema", [1, 1, 1, 1]), seeds=(0, 1))
    assert math.isclose(pool(record).std, math.sqrt(2) * 0.25)


def test_the_cluster_bootstrap_covers_as_it_says():
    "Of 200 experiments with 20 correlated episodes, about 95 % of the intervals hold the true mean; of those over frames, far fewer."
    def covered(over_frames):
        hits = 0
        for trial in range(200):
            rng = np.random.default_rng([7, trial])
            groups = rng.normal(size=(20, 1)) + 0.3 * rng.normal(size=(20, 5))
            _, low, high = cluster_bootstrap(groups.reshape(-1, 1) if over_frames else groups, n=200, seed=trial)
            hits += low <= 0 <= high
        return hits / 200

    def check(rate):
        assert 0.88 <= rate <= 0.98

    check(covered(False))
    with pytest.raises(AssertionError):
        check(covered(True))


def test_any_statistic_and_groups_of_different_lengths():
    value, low, high = cluster_bootstrap([[1.0], [2.0, 3.0], [100.0]], 0.5)
    assert value == 2.5 and low == 1.0 and high == 100.0
    assert cluster_bootstrap([[5.0], [5.0]], 0.95) == (5.0, 5.0, 5.0)
    for groups in ([[1.0, 2.0]], [[1.0], []], []):
        with pytest.raises(ValueError, match="at least two groups"):
            cluster_bootstrap(groups)


@pytest.mark.parametrize("quantile", [None, 0.0, 0.5, 0.95, 1.0])
def test_the_cluster_bootstrap_is_what_writing_every_resampling_out_gives(quantile):
    rng = np.random.default_rng(1)
    groups = [rng.normal(size=size).round(1) for size in (3, 7, 1, 12, 5)]  # rounded: ties
    statistic = np.mean if quantile is None else lambda x: np.quantile(x, quantile)
    drawn = np.random.default_rng(0).integers(len(groups), size=(300, len(groups)))
    written = [statistic(np.concatenate([groups[i] for i in row])) for row in drawn]
    expected = (statistic(np.concatenate(groups)), *np.percentile(written, [2.5, 97.5]))
    np.testing.assert_allclose(cluster_bootstrap(groups, quantile, n=300), expected, rtol=1e-12)
