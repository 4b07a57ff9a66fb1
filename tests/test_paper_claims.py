"""Tests of nbs/paper/03_claims.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.paper.claims import EXPECTED, GROUPS, KINDS, Claim, Term, against, all_claims, printed_over, printed_rates
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


def test_a_claim_is_the_paper_s_or_told_beside_it_or_ours():
    assert [c.group for c in (Claim("x", "here", "X.", "none", "more"), Claim("x", "notes", "X.", "none", "more", told=True), Claim("x", "ours", "X.", "none", "more", ours=True))] == list(GROUPS)
    assert {c.group for c in all_claims()} == {"paper", "ours"}


def test_a_claim_of_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="Claim x: kind 'guess'"):
        Claim("x", "Table 1", "A guess.", "guess", "more")
    assert against("A", "B", "C") == (Term(1.0, "A"), Term(-0.5, "B"), Term(-0.5, "C"))


def test_the_papers_value_is_of_the_cases_that_were_compared():
    claims = {c.id: c for c in all_claims()}
    over = lambda id, *cases: (printed_over(claims[id], cases)[0].value, printed_over(claims[id], cases)[1])
    assert over("shuffle-sample", ("Lift", "FM")) == (-34.0, "") and over("shuffle-left", ("Lift", "FM")) == (65.0, "") and over("prism-simple-dp", ("Lift", "DP")) == (-0.3, "")
    assert over("head-avgpool", ("Lift", "FM")) == (2.7, "Lift, Can and Square under FM") and over("head-avgpool", *((t, "FM") for t in ("Lift", "Can", "Square"))) == (2.7, "")
    assert over("head-nopool", ("Lift", "FM"), ("Can", "DP")) == (16.0, "Lift, Can and Square under FM and DP")
    assert over("shuffle-sample", ("Lift", "MF")) == (round((65 + 2 + 51) / 3 - 91.6, 1), "Lift, Can and Square under MF")
    value, said = printed_over(claims["shuffle-sample"], [("Lift", "FM")])
    assert value.mark == "inferred" and value.source == "Table 2, FM, Lift; Table 4, FM, Base., Lift"


def test_the_papers_value_stays_where_it_cannot_be_taken_again():
    claims = {c.id: c for c in all_claims()}
    assert printed_over(claims["head-avgpool"], claims["head-avgpool"].cases) == (claims["head-avgpool"].paper, "") == printed_over(claims["head-avgpool"], [])
    assert printed_over(claims["tdca"], [("ToolHang", "FM")])[0].value is None
    lost = Claim("x", "here", "A beats B.", "success", "more", against("TDCA", "SSPool"), paper=claims["head-avgpool"].paper)
    assert printed_over(lost, [("Lift", "FM")]) == (lost.paper, "all 3 cases")
    single, means = printed_rates()
    assert means["Can 2V-84", "SSPool", "DP"].value == 89.7 and ("Can 2V-84", "AvgPool", "DP") not in single
