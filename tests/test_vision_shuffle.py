"""Tests of nbs/vision/14_shuffle.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import itertools
from collections import Counter

import pytest
import torch
from torch import nn

from prism_repro.vision.shuffle import SHUFFLES, check_shuffle, draw_permutations, permute_keypoints


def check_shuffled(shuffled, vectors):
    "Each vector holds the same (x, y) pairs in some order, and the orders differ between vectors."
    pairs = lambda vector: [(vector[i].item(), vector[i + 1].item()) for i in range(0, len(vector), 2)]
    for a, b in zip(shuffled, vectors):
        assert sorted(pairs(a)) == sorted(pairs(b)) and pairs(a) != pairs(b)
    orders = {tuple(pairs(b).index(p) for p in pairs(a)) for a, b in zip(shuffled, vectors)}
    assert len(orders) == len(vectors)


def test_pairs_stay_together():
    g = torch.Generator().manual_seed(0)
    vectors = torch.rand(6, 16, generator=g)
    check_shuffled(permute_keypoints(vectors, draw_permutations("per_sample", 6, 8, g)), vectors)
    for broken in (vectors, vectors[:, torch.randperm(16, generator=g)], permute_keypoints(vectors, draw_permutations("per_batch", 6, 8, g))):
        with pytest.raises(AssertionError):
            check_shuffled(broken, vectors)


def test_place_k_holds_keypoint_permutation_k():
    vectors = torch.arange(12.0).view(2, 6)
    assert permute_keypoints(vectors, torch.tensor([[1, 2, 0], [0, 1, 2]])).tolist() == [[2, 3, 4, 5, 0, 1], [6, 7, 8, 9, 10, 11]]


def test_every_order_is_equally_likely():
    drawn = draw_permutations("per_sample", 6000, 3, torch.Generator().manual_seed(0))
    counts = Counter(map(tuple, drawn.tolist()))
    assert set(counts) == set(itertools.permutations(range(3)))
    assert sum((n - 1000) ** 2 / 1000 for n in counts.values()) < 20.5  # chi-square with 5 degrees of freedom: 0.1 %


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_draws_are_a_function_of_the_generator(shuffle):
    draw = lambda seed: draw_permutations(shuffle, 4, 9, torch.Generator().manual_seed(seed))
    torch.manual_seed(1)
    first = draw(0)
    torch.manual_seed(2)
    assert torch.equal(first, draw(0)) and first.dtype == torch.int64 and torch.equal(first.sort(1).values, torch.arange(9).expand(4, 9))
    assert torch.equal(first, draw(1)) == (shuffle == "none")
    same = len({tuple(row) for row in first.tolist()}) == 1
    assert same == (shuffle != "per_sample")
    g = torch.Generator().manual_seed(0)
    assert torch.equal(draw_permutations(shuffle, 4, 9, g), draw_permutations(shuffle, 4, 9, g)) == (shuffle == "none")


def test_a_fixed_permutation_is_absorbed_by_the_next_layer():
    g = torch.Generator().manual_seed(0)
    vectors, layer = torch.randn(5, 64, generator=g, dtype=torch.float64), nn.Linear(64, 10).double()
    order = draw_permutations("per_batch", 5, 32, g)
    columns = (2 * order[0][:, None] + torch.arange(2)).flatten()
    absorbed = nn.Linear(64, 10).double()
    absorbed.bias.data, absorbed.weight.data = layer.bias.data, layer.weight.data[:, columns]
    torch.testing.assert_close(absorbed(permute_keypoints(vectors, order)), layer(vectors), rtol=0, atol=1e-12)
    with pytest.raises(AssertionError):  # one layer cannot absorb a permutation a sample
        torch.testing.assert_close(absorbed(permute_keypoints(vectors, draw_permutations("per_sample", 5, 32, g))), layer(vectors), rtol=0, atol=1e-2)


def test_gradients_find_their_keypoint():
    vectors = torch.rand(3, 8, dtype=torch.float64, requires_grad=True)
    order = draw_permutations("per_sample", 3, 4, torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda v: permute_keypoints(v, order), vectors)


def test_what_does_not_fit_is_refused():
    for shuffle, when in (("always", "eval"), ("none", "train")):
        with pytest.raises(ValueError, match="shuffle is one of none, per_sample, per_batch"):
            check_shuffle(shuffle, when)
    with pytest.raises(ValueError, match="not 4 keypoints"):
        permute_keypoints(torch.zeros(2, 6), torch.zeros(2, 4, dtype=torch.int64))


def test_a_misspelt_shuffle_is_refused():
    with pytest.raises(ValueError, match="per-sample"):
        draw_permutations("per-sample", 2, 4, torch.Generator().manual_seed(0))
