"""Tests of nbs/results/90_ledger.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
from dataclasses import replace

import numpy as np

from prism_repro.paper.claims import GROUPS, all_claims
from prism_repro.paper.crobo import crobo_claims
from prism_repro.results.figures import figure_bytes
from prism_repro.results.ledger import claims_data, claims_markdown, estimate_text, figure_claims, interval_text, label, n_text, p_text, paper_text, paper_value, write_claims
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
    assert data["summary"]["all"] == dict(zip(VERDICTS, (0, 0, 0, len(verdicts)))) == {k: sum(data["summary"][group][k] for group in GROUPS) for k in VERDICTS}
    assert data["summary"]["measured"]["not run"] + data["summary"]["counted"]["not run"] == len(verdicts) and data["summary"]["counted"]["not run"] == sum(c["counted"] for c in data["claims"]) == 6
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
    assert paper_text(Verdict(v.claim, "not run", "")) == "+8.9 points (inferred)" and [p_text(p) for p in (None, 0.0001, 0.04)] == ["-", "< 0.001", "0.040"]
    claims = {c.id: c for c in all_claims()}
    assert estimate_text(Verdict(claims["compact"], "reproduced", "", estimate=72.0)) == "72 times" and paper_text(Verdict(claims["compact"], "reproduced", "")) == "72 times (inferred)"
    assert paper_text(Verdict(claims["parameters"], "inconclusive", "")) == "+15.4 %" and estimate_text(Verdict(claims["latency-fm-10"], "contradicted", "", estimate=594.9)) == "594.9 ms"
    assert estimate_text(Verdict(claims["probe-small-prism"], "inconclusive", "", estimate=-2.0)) == "-2.0 mm" and estimate_text(replace(v, estimate=-1e-9)) == "+0.0 points"


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


def compared(id, *cases, claims=all_claims, **more):
    return Verdict(next(c for c in claims() if c.id == id), "inconclusive", "", cases=cases, **more)


def test_the_papers_value_stands_for_the_cases_that_were_compared():
    assert paper_text(compared("shuffle-sample", "Lift, FM")) == "-34.0 points (inferred)" and paper_text(compared("prism-toolhang", "ToolHang, FM")) == "+9.3 points (inferred)"
    assert paper_text(compared("head-avgpool", "Lift, FM")) == "+2.7 points (inferred; Lift, Can and Square under FM)"
    assert paper_text(compared("shuffle-sample", "Lift, MF", "Can, MF")) == "-52.3 points (inferred; Lift, Can and Square under MF)"
    at = "(horizon 50, expert 100)"
    assert paper_text(compared("kitchen-tobo", f"Light on {at}", f"Sdoor open {at}", claims=crobo_claims)) == "+4.0 points (inferred)"
    assert paper_text(compared("mask-95", f"Light on {at}", claims=crobo_claims)) == "+5.0 points (inferred)" and paper_text(compared("kitchen-tobo", claims=crobo_claims)) == "+5.2 points (inferred)"
    entry = claims_data("p", [compared("head-avgpool", "Lift, FM")])["claims"][0]["paper"]
    assert (entry["value"], entry["mark"], entry["over"]) == (2.7, "inferred", "Lift, Can and Square under FM") and claims_data("p", [compared("shuffle-sample", "Lift, FM")])["claims"][0]["paper"]["over"] == ""
    lost = replace(compared("control-dinov2", "walker/stand (x)", claims=crobo_claims))
    assert paper_value(replace(lost, claim=replace(lost.claim, terms=(replace(lost.claim.terms[0], encoder="MAE"),))))[1] == "all 4 tasks"


def test_n_counts_what_is_distinct_and_names_it():
    assert n_text(compared("saliency-sspool-local", seeds=(0, 1, 2, 3), episodes=6, values=12)) == "4 x 6 demonstrations (12 values)"
    assert n_text(compared("head-avgpool", seeds=(0, 1), episodes=40, values=40)) == "2 x 40 episodes" and n_text(compared("head-avgpool")) == "-"


def test_the_tally_keeps_counts_apart_from_what_was_measured():
    said = [replace(compared("compact"), verdict="reproduced"), replace(compared("latency-mf-1"), verdict="contradicted"), compared("head-avgpool")]
    data = claims_data("p", said)["summary"]
    assert data["measured"] == {"reproduced": 0, "contradicted": 0, "inconclusive": 1, "not run": 0} and data["counted"]["reproduced"] == data["counted"]["contradicted"] == 1
    text = claims_markdown("p", said)
    assert all(row in text for row in ("The paper's claims, measured", "The paper's claims, counted or timed", "Beyond the paper, counted or timed")) and "Beyond the paper, measured" not in text


def test_what_is_told_beside_the_paper_is_a_group_of_its_own():
    v = compared("head-avgpool")
    told = replace(v, claim=replace(v.claim, id="told-1", told=True))
    text, data = claims_markdown("p", [v, told]), claims_data("p", [v, told])
    assert text.index("## The paper's claims") < text.index("`head-avgpool`") < text.index("## Told beside the paper") < text.index("`told-1`") and "## Beyond" not in text
    assert [c["group"] for c in data["claims"]] == ["paper", "told"] and data["summary"]["paper"]["inconclusive"] == data["summary"]["told"]["inconclusive"] == 1


def diamonds(figure):
    return [line for axes in figure.axes for line in axes.lines if line.get_marker() == "D"]


def test_a_diamond_is_filled_when_printed_hollow_when_inferred_and_pale_over_other_cases():
    same, other, printed = (replace(made("shuffle-sample", -0.3), cases=("Lift, FM",)), replace(made(), cases=("Lift, FM",)), made("truncation-sspool", 0.0))
    printed = replace(printed, claim=replace(printed.claim, paper=replace(printed.claim.paper, mark="paper")))
    figure = figure_claims("p", [same, other, printed])
    hollow, pale, filled = diamonds(figure)
    assert hollow.get_markerfacecolor() == pale.get_markerfacecolor() == "white" != filled.get_markerfacecolor() and hollow.get_xdata()[0] == -34.0 and pale.get_xdata()[0] == 2.7
    assert hollow.get_markeredgecolor() == filled.get_markeredgecolor() != pale.get_markeredgecolor()
    assert any("hollow: inferred" in text.get_text().replace("\n", " ") for text in figure.texts)


def test_nothing_written_lies_outside_the_picture():
    long = "What is painted follows the token and nothing else: " + "with another scene's token, hidden patches of objects come out worse, " * 4 + "always."
    v = made()
    said = [replace(v, claim=replace(v.claim, sentence=long)), *(made(c.id) for c in all_claims() if c.kind in ("success", "probe", "saliency"))]
    said += [replace(v, claim=c) for c in crobo_claims()]
    figure = figure_claims("quick", said)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    texts = [t for t in [*figure.texts, *(t for axes in figure.axes for t in [*axes.texts, *axes.get_yticklabels(), axes.xaxis.label])] if t.get_text()]
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, (text.get_text(), box)
    assert label(said[0].claim).endswith(" ...\u00a0\u00a0▸") and max(label(v.claim).count("\n") for v in said) == 1 and len(texts) > 40
    for axes in figure.axes:
        rows = [t.get_window_extent() for t in axes.get_yticklabels()]
        assert all(a.y0 >= b.y1 for a, b in zip(rows, rows[1:])), "labels overlap"
    feet = figure.texts[-1].get_window_extent()
    assert all(axes.xaxis.label.get_window_extent().y0 >= feet.y1 for axes in figure.axes), "the legend overlaps an axis"
