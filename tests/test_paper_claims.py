"""Tests of nbs/paper/03_claims.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.paper.claims import EXPECTED, KINDS, Claim, Term, against, all_claims
from prism_repro.paper.experiments import ENCODERS, all_entries


def test_every_claim_names_arms_that_a_table_asks_for():
    "Otherwise no profile could ever run it."
    asked = {(q, e.encoder, e.objective) for e in all_entries() for q in e.questions}
    saliency = {(q, encoder, objective) for q, encoder, objective in asked}
    for claim in all_claims():
        for case in claim.cases:
            for _, arm in claim.arms(*case):
                assert arm in (asked if claim.kind == "success" else saliency), (claim.id, arm)


def test_claims_are_well_formed():
    for claim in all_claims():
        assert claim.kind in KINDS and claim.expects in EXPECTED and claim.sentence.endswith(".") and claim.where, claim.id
        assert bool(claim.terms) == (claim.expects != "exact"), claim.id
        assert all(term.encoder in ENCODERS for term in claim.terms), claim.id
        assert claim.id == "shuffle-left" or abs(sum(term.weight for term in claim.terms)) < 1e-12, claim.id
        assert not claim.ours or claim.where.startswith("ours"), claim.id
        assert claim.paper.value is None or claim.expects == "exact" or {"more": 1, "less": -1, "equal": 0, "no less": 0}[claim.expects] in (0, (claim.paper.value > 0) - (claim.paper.value < 0)), claim.id


def test_a_claim_of_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="Claim x: kind 'guess'"):
        Claim("x", "Table 1", "A guess.", "guess", "more")
    assert against("A", "B", "C") == (Term(1.0, "A"), Term(-0.5, "B"), Term(-0.5, "C"))
