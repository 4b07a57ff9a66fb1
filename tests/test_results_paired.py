"""Tests of nbs/results/81_paired.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from prism_repro.results.paired import beyond, holm, percentile_interval, seed_differences, sign_flip, standard_error, t_interval, t_test, these_nets, tost, two_level_bootstrap


def test_a_bootstrap_repeats_and_pairs_the_arms():
    rng = np.random.default_rng(0)
    easy = rng.random(200) < 0.5
    paired = [[easy.astype(float) - easy.astype(float)] for _ in range(4)]
    assert np.all(two_level_bootstrap(paired, 50) == 0), "the same episodes in both arms leave nothing to resample"
    samples = [[rng.choice([-1.0, 0.0, 1.0], 20), rng.choice([0.0, 1.0], 30)] for _ in range(4)]
    one, two = two_level_bootstrap(samples, 100, seed=1), two_level_bootstrap(samples, 100, seed=1)
    assert np.array_equal(one, two) and not np.array_equal(one, two_level_bootstrap(samples, 100, seed=2))
    assert percentile_interval(one, 0.9)[0] >= percentile_interval(one, 0.95)[0]


def test_seeds_share_the_luck_of_their_episodes():
    one = np.array([1.0] * 12 + [0.0] * 20 + [-1.0] * 8)
    drawn = two_level_bootstrap([[one]] * 6, 4000)
    assert abs(np.var(drawn) / (np.var(one) / 40) - 1) < 0.1, "six seeds that agree on every episode know no more than one"
    apart = two_level_bootstrap([[one], [one], [one[:39]]], 4000)  # other episodes: each seed's luck is its own
    assert np.var(apart) < 0.6 * np.var(one) / 40


def test_a_bootstrap_of_seeds_without_spread_within_is_the_seeds_own():
    samples = [[np.full(10, value)] for value in (0.0, 1.0)]
    drawn = two_level_bootstrap(samples, 4000)
    assert set(np.unique(drawn)) == {0.0, 0.5, 1.0} and abs(np.mean(drawn == 0.5) - 0.5) < 0.03


def test_agreement_to_the_episode_is_not_certainty():
    d = np.zeros(4)
    assert standard_error(d, 1 / 50) == 0.005 and t_test(d) == 1.0
    assert tost(d, 0.05, 1 / 50) < 0.01 and tost(d, 0.05, 1 / 5) > 0.05
    assert t_interval(np.full(4, 0.2)) == (0.2, 0.2) and beyond(np.full(4, 0.2), 0.05) == 0.0
    with pytest.raises(ValueError, match="1 training seed has no"):
        t_interval(np.array([0.3]))


def test_holm_is_monotone_and_never_below_the_raw():
    rng = np.random.default_rng(4)
    for _ in range(50):
        p = rng.random(12) ** 3
        q = holm(p)
        order = np.argsort(p)
        assert np.all(np.diff(np.array(q)[order]) >= 0) and np.all(np.array(q) >= p) and max(q) <= 1
    assert holm([0.04]) == [0.04]


def test_blocks_add_up():
    assert np.allclose(seed_differences([[np.array([1.0, 0.0]), np.array([0.5])], [np.array([0.25])]]), [1.0, 0.25])


@pytest.mark.parametrize("first, second", [(8, 1), (3, 3), (0, 5), (12, 20)])
def test_one_training_seed_gets_mcnemars_exact_test(first, second):
    found = these_nets([[np.array([1.0] * first + [0.0] * 7), np.array([-0.5] * second)]])
    assert (found.first, found.second) == (first, second) and np.isclose(found.p, binomtest(first, first + second).pvalue)
    again = these_nets([[np.array([1.0] * first + [0.0] * 7), np.array([-0.5] * second)]] * 6)
    assert (again.first, again.second) == (6 * first, 6 * second) and np.isclose(again.p, found.p), "six seeds that agree know no more than one"


def test_a_sign_flip_counts_every_signing():
    rng = np.random.default_rng(0)
    for _ in range(20):
        totals = rng.integers(-6, 7, 9)
        sums = [abs(np.dot(totals, signs)) for signs in product((-1, 1), repeat=9)]
        assert np.isclose(sign_flip(totals.tolist()), np.mean(np.array(sums) >= abs(totals.sum())))
    assert sign_flip([]) == 1.0 and sign_flip([6] * 40) == 2 / 2**40


def test_seeds_on_other_episodes_are_refused():
    with pytest.raises(ValueError, match="not the same ones"):
        these_nets([[np.zeros(4)], [np.zeros(5)]])
