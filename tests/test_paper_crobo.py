"""Tests of nbs/paper/04_crobo.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.paper.claims import all_claims
from prism_repro.paper.crobo import BACKBONES, CLONED, CONTROL, KITCHEN, MODELS, STRAIGHTNESS, TABLED, Fact, ablation, crobo_claims, fact, score, spread


def test_a_dash_of_the_table_is_unknown_and_a_row_that_it_lacks_an_error():
    assert score("MAE", "walker/walk").mark == "unknown" and score("CroBo", "cheetah/run").mark == "unknown"
    assert (score("ToBo", "Ldoor open").value, spread("ToBo", "Ldoor open").value) == (44.2, 10.0)
    assert (score("CroBo", "finger/spin").value, spread("RSP", "walker/walk").value) == (69.9, 5.0)
    with pytest.raises(KeyError, match="no entry PRISM"):
        score("PRISM", "Knob on")
    with pytest.raises(KeyError, match="columns"):
        ablation("mask 90 %", "walker/walk")


def test_a_printed_contrast_has_the_claimed_sign():
    for claim in crobo_claims():
        if claim.paper.value is not None:
            assert {"more": claim.paper.value > 0, "less": claim.paper.value < 0, "no less": claim.paper.value >= 0}[claim.expects], claim.id


def test_claims_have_ids_of_their_own_arms_that_exist_and_tasks_of_the_paper():
    claims = crobo_claims()
    assert not {c.id for c in claims} & {c.id for c in all_claims()}
    for c in claims:
        assert c.sentence.endswith(".") and set(c.tasks) <= set(CLONED) and all(t.encoder in BACKBONES for t in c.terms), c.id
        assert c.kind == "reconstruction" or sum(t.weight for t in c.terms) == 0, c.id
        assert c.ours == c.where.startswith("ours"), c.id


def test_a_fact_without_a_value_is_unknown_and_no_other():
    assert fact("kitchen", "steps").value == 20_000 and fact("control", "plus-minus").mark == "unknown"
    with pytest.raises(ValueError, match="exactly when it is unknown"):
        Fact("kitchen", "colour", None, "paper")
    with pytest.raises(KeyError, match="choose kitchen or control"):
        fact("moon", "steps")
    assert len(TABLED) == 9 and len(MODELS) == 8 and set(STRAIGHTNESS) <= set(MODELS) and not set(KITCHEN) & set(CONTROL)
