"""Tests of nbs/results/80_layouts.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.hashes import config_hash
from prism_repro.results.layouts import _IDENTITY, LAYOUTS, RecordError, check_layout, check_record


def test_every_kind_says_what_tells_its_measurements_apart():
    assert set(_IDENTITY) == set(LAYOUTS)
    for kind, layout in LAYOUTS.items():
        assert set(_IDENTITY[kind]) <= set(layout["measurements"][0])


@pytest.mark.parametrize("value, good", [(1, True), (1.5, True), (True, False), ("1", False), (None, False)])
def test_a_number_is_a_number(value, good):
    if good:
        return check_layout("x", "f", value, float)
    with pytest.raises(RecordError, match="f should be a number"):
        check_layout("x", "f", value, float)


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(RecordError, match="kind should be one of rollouts, baselines, saliency"):
        check_record("x", {"schema": 1, "kind": "rollout"})


def test_an_episode_counts_once():
    config = {}
    m = dict(cell="a", seed=0, camera="agentview", episodes=[dict(episode="demo_1"), dict(episode="demo_1")])
    record = dict(schema=1, kind="saliency", profile="p", cell="c", config=config, versions={}, measurements=[m],
                  hashes=dict(config=config_hash(config), data="0" * 64, code="0" * 64))
    with pytest.raises(RecordError, match="episode, but is one with demo_1 twice"):
        check_record("x", record)
    m["episodes"].pop()
    check_record("x", record)
