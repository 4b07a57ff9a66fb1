"""Tests of nbs/results/90_ledger.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
from dataclasses import replace

import numpy as np

from prism_repro.paper.claims import all_claims
from prism_repro.results.figures import figure_bytes
from prism_repro.results.ledger import claims_data, claims_markdown, estimate_text, figure_claims, interval_text, p_text, paper_text, write_claims
from prism_repro.results.samples import Sampled
from prism_repro.results.verdicts import VERDICTS, Verdict, assess, evaluate, settle


def made(id="head-avgpool", gap=0.2, seeds=5, seed=0):
    claim, rng = next(c for c in all_claims() if c.id == id), np.random.default_rng(seed)
    samples = [[rng.normal(gap, 0.05, 50)] for _ in range(seeds)]
    said = assess(claim, Sampled(samples, tuple(range(seeds)), 50, 0.0, ("made up",)), 200)
    return settle(said, said.p, 1) if said.p is not None else said


def test_every_claim_is_in_the_ledger_and_the_tally_adds_up(tmp_path):
    verdicts = evaluate(all_claims(), {}, {})
    paths = write_claims(tmp_path, "p", "claims", verdicts)
    data = json.loads(paths[0].read_text())
    assert [c["id"] for c in data["claims"]] == [c.id for c in all_claims()] and all(c["verdict"] == "not run" and c["reason"] for c in data["claims"])
    assert data["summary"]["all"] == dict(zip(VERDICTS, (0, 0, 0, len(verdicts)))) == {k: data["summary"]["paper"][k] + data["summary"]["ours"][k] for k in VERDICTS}
    text = paths[1].read_text()
    assert all(f"`{c.id}`" in text for c in all_claims()) and text.index("| not run") < text.index("## The paper's claims")


def test_the_same_verdicts_give_the_same_bytes(tmp_path):
    verdicts = [made(), made("truncation-sspool", 0.0), made("saliency-sspool-local", -0.1)]
    first = [p.read_bytes() for p in write_claims(tmp_path, "p", "claims", verdicts)] + [figure_bytes(figure_claims("p", verdicts), kind) for kind in ("svg", "png")]
    again = [made(), made("truncation-sspool", 0.0), made("saliency-sspool-local", -0.1)]
    assert first == [p.read_bytes() for p in write_claims(tmp_path, "p", "claims", again)] + [figure_bytes(figure_claims("p", again), kind) for kind in ("svg", "png")]


def test_a_comparison_is_counted_once():
    v = made()
    data = claims_data("p", [v, replace(v, same=v.claim.id), replace(v, p=None)])
    assert data["rules"]["family"] == 1 and data["claims"][1]["same_as"] == v.claim.id
    assert f"the same comparison as `{v.claim.id}`" in claims_markdown("p", [replace(v, same=v.claim.id)])


def test_units():
    v = made()
    assert v.verdict == "reproduced" and estimate_text(v).endswith(" points") and estimate_text(v).startswith("+") and interval_text(v, (0.1, 0.25)) == "[+10.0, +25.0]"
    assert paper_text(v.claim) == "+8.9 points (inferred)" and [p_text(p) for p in (None, 0.0001, 0.04)] == ["-", "< 0.001", "0.040"]
    claims = {c.id: c for c in all_claims()}
    assert estimate_text(Verdict(claims["compact"], "reproduced", "", estimate=72.0)) == "72 times" and paper_text(claims["compact"]) == "72 times (inferred)"
    assert paper_text(claims["parameters"]) == "+15.4 %" and estimate_text(Verdict(claims["latency-fm-10"], "contradicted", "", estimate=594.9)) == "594.9 ms"
    assert estimate_text(Verdict(claims["probe-small-prism"], "inconclusive", "", estimate=-2.0)) == "-2.0 mm"


def test_claims_without_intervals_do_not_break_the_picture():
    one = made(seeds=1)
    assert one.interval is None and len(figure_claims("p", [one]).axes) == 0
    figure = figure_claims("p", [one, made(seeds=2), made("probe-small-prism", -3), made("saliency-sspool-local", 0.01)])
    assert len(figure.axes) == 3
    assert "smoke run" in claims_markdown("quick", [one]) and "| - " in claims_markdown("p", [one])


def test_a_claim_of_no_difference_says_its_level():
    text = claims_markdown("p", [made("truncation-sspool", 0.0)])
    assert "(90 %)" in text and "within 5 points" in text
    assert claims_data("p", [replace(made(), nets=None)])["claims"][0]["these_nets"] is None
