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


def test_copied_digits_are_those_that_were_proofread():
    """Of the row of gains, the kitchen's means and the ablations' means some digits follow, and the cells above test them; a spread, an angle or two slips that cancel follow from nothing.

    So: sums of each row, weighted by column, taken when the copy was compared with a second one that was typed apart.
    """
    from prism_repro.paper.crobo import _ABLATIONS, _FIGURE_4, GAINS

    weigh = lambda values: round(sum((i + 1) * v for i, v in enumerate(values)), 1)
    rows = {"MAE": (376.3, 54.2), "DINO": (555.1, 65.2), "DINOv2": (2623.0, 122.7), "SiamMAE": (430.5, 80.9), "CropMAE": (2475.5, 125.4), "RSP": (2698.9, 142.5), "ToBo": (3339.9, 170.9), "CroBo": (3540.9, 108.0)}
    assert {m: (weigh(v for v, _ in row), weigh(d for _, d in row)) for m, row in _FIGURE_4.items()} == rows
    assert {name: weigh(row[2]) for name, row in _ABLATIONS.items()} == {"mask 75 %": 730.0, "mask 90 %": 915.8, "mask 95 %": 985.2, "mask 97.5 %": 942.0, "time": 864.0, "time and crop": 667.0}
    assert weigh(GAINS) == 198.3
    assert {m: (p.value, p.mark) for m, p in STRAIGHTNESS.items()} == {"CroBo": (75.4, "paper"), "DINOv2": (103.28, "paper"), "CropMAE": (97.0, "inferred"), "ToBo": (78.5, "inferred")}
    read_off = {m: p.note for m, p in STRAIGHTNESS.items() if p.mark == "inferred"}
    for m, note in read_off.items():
        low, high = (float(x) for x in note.split(": ")[1].removesuffix(" degrees").split(" to "))
        assert STRAIGHTNESS[m].value == (low + high) / 2, "the middle of what was read off"
    assert STRAIGHTNESS["CroBo"].value < STRAIGHTNESS["ToBo"].value < STRAIGHTNESS["CropMAE"].value < STRAIGHTNESS["DINOv2"].value, "CroBo is the straightest in Figure 3"


def test_what_the_paper_does_not_print_is_not_the_paper_s_claim():
    groups = {c.id: c.group for c in crobo_claims()}
    assert {i for i, g in groups.items() if g == "told"} == {"mask-75", "mask-95", "mask-97", "pair-time", "pair-both"}
    assert groups["token-used"] == groups["position-pixels"] == groups["straight-random"] == "ours" and groups["straight-tobo"] == groups["kitchen-tobo"] == "paper"
    claims = {c.id: c for c in crobo_claims()}
    assert claims["mask-95"].where.startswith("the authors' notes") and claims["mask-95"].paper.mark == "inferred" and claims["pair-time"].where.startswith("a summary by others") and claims["pair-time"].paper.mark == "2nd"
    assert ablation("time", "Knob on").mark == ablation("time and crop").mark == "2nd" and ablation("mask 95 %", "Knob on").mark == "repo"
    assert "not tested by this" in claims["token-used"].note and [(t.weight, t.encoder) for t in claims["position-pixels"].terms] == [(1.0, "CroBo"), (-1.0, "pixels")] and claims["position-pixels"].expects == "less"


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
