"""Tests of nbs/results/81_statistics.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import math

import numpy as np
import pytest

from prism_repro.results.statistics import by_episode, cluster_bootstrap, independent, pool, shared_wilson, wilson


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


def test_seeds_that_agree_on_every_episode_are_worth_one_seed():
    plays = [1] * 15 + [0] * 25
    record = record_of(*((s, "last", "ema", plays) for s in range(6)), seeds=range(6))
    pooled = pool(record)
    assert (pooled.k, pooled.n, independent(pooled.episodes.values())) == (90, 240, 40)
    assert np.allclose(pooled.interval, wilson(15, 40)) and pool(record_of((0, "last", "ema", plays))).interval == wilson(15, 40)


def test_independent_results_are_worth_nearly_all_of_them():
    plays = np.random.default_rng(0).random((6, 40)) < 0.4
    pooled = pool(record_of(*((s, "last", "ema", row) for s, row in enumerate(plays)), seeds=range(6)))
    assert independent(pooled.episodes.values()) > 190 and np.allclose(pooled.interval, wilson(pooled.k, 240), atol=0.01)
    alone = record_of(*((s, "last", "ema", row) for s, row in enumerate(plays)), seeds=range(6))
    for m in alone["measurements"]:
        for e in m["episodes"]:
            e["seed"] += 100 * m["seed"]  # each training seed plays its own episodes
    assert pool(alone).interval == wilson(pool(alone).k, 240)


def test_the_number_of_independent_trials_keeps_its_bounds():
    assert independent([[1, 1], [0, 0], [1, 0]]) == 3 and independent([[1, 0]] * 30) == 60, "perfectly balanced episodes are worth no more than all trials"
    assert independent([[0] * 6] * 40) == independent([[1] * 6] * 40) == 40 and independent([[1, 0, 1]]) == 1
    assert shared_wilson([[0] * 6] * 40)[0] == 0 and np.isclose(shared_wilson([[0] * 6] * 40)[1], wilson(0, 40)[1])
    groups = [[1, 1, 0], [1], [0, 0], [1, 0]]  # episodes that not every network played: 4 of 8, deviations 1/2, 1/2, -1, 0
    assert math.isclose(independent(groups), min(8, max(4, 0.25 / (4 / 3 * 1.5 / 64))))
    with pytest.raises(ValueError, match="have no success rate"):
        shared_wilson([])


def test_episodes_of_two_tasks_are_two():
    episodes = lambda task: [dict(seed=1, success=True)] if task is None else [dict(seed=1, success=True, task=task)]
    assert by_episode([dict(episodes=episodes("a")), dict(episodes=episodes("b"))]) == {("a", 1): [True], ("b", 1): [True]}
    assert by_episode([dict(episodes=episodes(None))] * 2, "lift") == {("lift", 1): [True, True]}


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
