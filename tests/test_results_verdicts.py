"""Tests of nbs/results/90_verdicts.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from dataclasses import replace

import numpy as np
import pytest

from prism_repro.paper.claims import Claim, Term, against, all_claims
from prism_repro.results.paired import Nets, t_interval
from prism_repro.results.verdicts import MIN_CHUNKS, VERDICTS, assess, at_edge, count, counted, describe, evaluate, p_value, says, settle, tally
from prism_repro.results.samples import NotRun, Sampled, collect


CLAIM = Claim("x", "here", "A beats B.", "success", "more", against("MS-SSPool", "SSPool", views="1V-84"), ("ToolHang",))
CELLS = {("ToolHang 1V-84", encoder, "FM"): encoder.lower() for encoder in ("MS-SSPool", "SSPool")}
EQUAL = replace(CLAIM, expects="equal")


def simulated(rates, seeds=4, episodes=50, spread=0.03, seed=0):
    rng, made = np.random.default_rng(seed), {}
    for encoder, rate in rates.items():
        rows = [rng.random(episodes) < np.clip(rng.normal(rate, spread), 0, 1) for _ in range(seeds)]
        made[encoder.lower()] = {"cell": encoder.lower(), "kind": "rollouts", "config": {"task": "t", "encoder": {"name": encoder}, "objective": {"name": "FM"}},
                                 "measurements": [{"seed": s, "checkpoint": "last", "weights": "ema", "episodes": [{"seed": i, "success": bool(x)} for i, x in enumerate(row)]} for s, row in enumerate(rows)]}
    return made


def exactly(first, second, episodes=50):
    "Records with these numbers of successes, a training seed each."
    records = simulated({"MS-SSPool": 0.5, "SSPool": 0.5}, len(first), episodes)
    for name, counts in (("ms-sspool", first), ("sspool", second)):
        for m, k in zip(records[name]["measurements"], counts):
            m["episodes"] = [{"seed": i, "success": i < k} for i in range(episodes)]
    return records


@pytest.mark.parametrize("first, second, verdict", [((40, 42, 41, 43), (20, 21, 19, 22), "reproduced"), ((20, 21, 19, 22), (40, 42, 41, 43), "contradicted"), ((20, 30, 25, 28), (22, 26, 27, 24), "inconclusive")])
def test_gaps_in_both_directions_and_none(first, second, verdict):
    found = evaluate([CLAIM, replace(CLAIM, expects="less")], CELLS, exactly(first, second))
    turned = {"reproduced": "contradicted", "contradicted": "reproduced"}
    assert [v.verdict for v in found] == [verdict, turned.get(verdict, verdict)]
    assert found[0].seeds == (0, 1, 2, 3) and found[0].episodes == 50 and found[0].adjusted == pytest.approx(min(1, 2 * found[0].p))


def test_no_difference_needs_evidence_and_a_difference_beyond_the_margin_contradicts():
    found = lambda first, second, n=50: evaluate([EQUAL], CELLS, exactly(first, second, n))[0]
    assert found((50, 50, 50, 50), (50, 50, 50, 50), 100).verdict == "reproduced"
    assert found((50, 50, 50, 50), (50, 50, 50, 50), 100).level == 0.9
    assert found((40, 30, 45, 25), (30, 40, 25, 45)).verdict == "inconclusive"
    assert found((40, 42, 41, 43), (20, 21, 19, 22)).verdict == "contradicted"
    assert evaluate([EQUAL], CELLS, exactly((7, 7, 7, 7), (7, 7, 7, 7), 8))[0].verdict == "inconclusive", "agreement over few episodes is no evidence"


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_fewer_than_four_seeds_never_decide(seeds):
    v = evaluate([CLAIM], CELLS, exactly((50, 49, 50)[:seeds], (0, 1, 0)[:seeds]))[0]
    assert v.verdict == "inconclusive" and "4 are needed" in v.reason and v.p is None and v.adjusted is None
    assert (v.interval is None) == (seeds == 1) and v.estimate > 0.9


def test_holm_changes_a_verdict():
    "The claim decides alone, and not among nine others that are noise."
    weak = exactly((32, 33, 34, 33), (25, 24, 28, 26))
    assert evaluate([CLAIM], CELLS, weak)[0].verdict == "reproduced"
    cells, records, claims = dict(CELLS), dict(weak), [CLAIM]
    for i in range(60):
        noise = exactly((20, 30, 25, 28), (22, 26, 27, 24))
        records |= {f"{name}-{i}": r for name, r in noise.items()}
        cells |= {(f"T{i} 1V-84", e, "FM"): f"{e.lower()}-{i}" for e in ("MS-SSPool", "SSPool")}
        claims.append(replace(CLAIM, id=f"n{i}", tasks=(f"T{i}",)))
    v = evaluate(claims, cells, records, n=200)[0]
    assert v.direction == 1 and v.p < 0.05 < v.adjusted and v.verdict == "inconclusive"
    assert v.reason == "its intervals alone would say reproduced, but not after Holm's correction over 61 claims"


def test_no_loss_is_not_contradicted_by_a_gain():
    claim = replace(CLAIM, expects="no less")
    found = lambda first, second: evaluate([claim], CELLS, exactly(first, second))[0]
    gain = found((40, 42, 41, 43), (20, 21, 19, 22))
    assert gain.verdict == "reproduced" and gain.reason == "both 90 % intervals lie above -5 points" and gain.level == 0.9
    assert found((40, 40, 40, 40), (40, 40, 40, 40)).verdict == "reproduced"
    loss = found((20, 21, 19, 22), (40, 42, 41, 43))
    assert loss.verdict == "contradicted" and loss.reason == "both 95 % intervals lie below -5 points"
    assert found((40, 30, 45, 25), (30, 40, 25, 45)).reason == "an interval crosses -5 points"


def test_the_bootstrap_draws_an_episode_with_all_that_it_gave():
    "Two cameras that say the same are no more evidence than one: as wide an interval, and twice the values."
    rng = np.random.default_rng(0)
    rows = [0.2 + row - row.mean() for row in rng.normal(0.0, 1.0, (4, 8))]  # seeds agree: all the doubt is in the episodes
    names = tuple(range(8))
    one = assess(CLAIM, Sampled([[row] for row in rows], (0, 1, 2, 3), 8, 0.0, ("front",), values=8))
    both = Sampled([[row / 2, row / 2] for row in rows], (0, 1, 2, 3), 8, 0.0, ("front", "hand"), values=16, units=((names, names),) * 4)
    two, apart = assess(CLAIM, both), assess(CLAIM, replace(both, units=()))
    assert two.bootstrap == pytest.approx(one.bootstrap) and (two.values, two.episodes) == (16, 8)
    assert np.subtract(*apart.bootstrap[::-1]) < 0.85 * np.subtract(*two.bootstrap[::-1]) and two.interval == pytest.approx(apart.interval)


@pytest.mark.parametrize("expects", ["equal", "no less"])
def test_agreement_at_the_floor_or_the_ceiling_is_no_evidence(expects):
    claim, all_alike = replace(CLAIM, expects=expects), lambda k: exactly((k,) * 4, (k,) * 4, 100)
    found = lambda k, **more: evaluate([claim], CELLS, all_alike(k), **more)[0]
    assert [found(k).verdict for k in (0, 9, 10, 50, 95, 96, 100)] == ["inconclusive"] * 2 + ["reproduced"] * 3 + ["inconclusive"] * 2
    assert found(4).reason == "every arm's success is below 10 % (4.0 %, 4.0 %): agreement there is no evidence" and found(4).p is not None
    assert found(4, decide=[]).reason == "not among the claims that this profile set out to decide; " + found(4).reason
    assert evaluate([claim], CELLS, exactly((0,) * 4, (9,) * 4, 400))[0].verdict == "inconclusive"
    lost = evaluate([claim], CELLS, exactly((0, 0, 0, 0), (38, 38, 38, 38), 400))[0]
    assert lost.verdict == "contradicted", "a difference that is found is one, at the floor too"
    assert found(4).direction == 0 and evaluate([CLAIM], CELLS, exactly((9, 9, 8, 9), (1, 0, 1, 1), 100))[0].verdict == "reproduced", "claims of a gain are not asked"


def test_every_case_at_an_edge_is_at_the_edge():
    made = lambda *levels: at_edge(Sampled([], (), 0, 0.0, (), levels=levels))
    assert made((0.0, 0.05), (1.0, 0.97)).startswith("every arm's success is below 10 % or above 95 % in every case") and "below 10 % (" in made((0.11, 0.05), (0.0, 0.0))
    assert not made((0.0, 0.05), (0.4, 0.5)) and not made()


@pytest.mark.parametrize("expects", ["more", "equal", "no less"])
def test_p_value_and_interval_agree(expects):
    rng = np.random.default_rng(0)
    for _ in range(300):
        d = rng.normal(rng.uniform(-0.15, 0.15), rng.uniform(0.005, 0.06), 4)
        decided = says(expects, [t_interval(d, 0.9)], [t_interval(d, 0.95)])
        assert (p_value(expects, d) <= 0.05) == (decided != 0)


def test_two_claims_about_the_same_cells_are_one_question():
    both = replace(CLAIM, id="both", objectives=("FM", "DP"))
    one, two, less = evaluate([CLAIM, both, replace(CLAIM, id="less", expects="less")], CELLS, exactly((40, 42, 41, 43), (20, 21, 19, 22)))
    assert one.adjusted == two.adjusted == pytest.approx(2 * one.p) and (one.same, two.same, less.same) == ("", "x", "") and one.verdict == two.verdict == "reproduced"


def test_what_a_profile_did_not_set_out_to_decide_stays_open():
    claims, records = [CLAIM, replace(CLAIM, id="y", expects="less")], exactly((40, 42, 41, 43), (20, 21, 19, 22))
    x, y = evaluate(claims, CELLS, records, decide=["x"])
    assert x.verdict == "reproduced" and x.adjusted == x.p, "the other claim costs nothing"
    assert y.verdict == "inconclusive" and y.p is None and y.interval and y.reason.endswith("decide, though its intervals alone would say contradicted")
    x, both = evaluate([CLAIM, replace(CLAIM, id="both", objectives=("FM", "DP"))], CELLS, records, decide=["both"])
    assert (x.verdict, both.verdict, both.same) == ("inconclusive", "reproduced", "")
    with pytest.raises(ValueError, match="There is no claim z to decide"):
        evaluate(claims, CELLS, records, decide=["z"])


def test_few_wrong_verdicts_on_nulls():
    "300 claims without any difference, uncorrected: about 5 % may decide, and no more."
    wrong = 0
    for i in range(300):
        said = assess(CLAIM, collect(CLAIM, CELLS, simulated({"MS-SSPool": 0.5, "SSPool": 0.5}, spread=0.08, seed=i)), 120)
        wrong += settle(said, said.p, 1).verdict != "inconclusive"
    assert 0.005 < wrong / 300 < 0.075, wrong


def test_the_bootstrap_has_to_agree():
    said = assess(CLAIM, collect(CLAIM, CELLS, exactly((40, 42, 41, 43), (20, 21, 19, 22))))
    assert said.direction == 1 and settle(said, 0.04, 1).verdict == "reproduced"
    assert settle(replace(said, direction=0), 0.001, 1).reason == "an interval includes zero"
    assert settle(replace(said, direction=0, claim=EQUAL), 0.001, 1).reason == "an interval crosses 5 points"


def test_these_nets_are_counted_only_where_arms_share_episodes():
    v = evaluate([CLAIM], CELLS, exactly((3, 0, 0, 0), (1, 2, 0, 0)))[0]
    assert v.nets == Nets(2, 2, 1.0)
    records = exactly((3, 0, 0, 0), (1, 2, 0, 0))
    for m in records["sspool"]["measurements"]:
        for e in m["episodes"]:
            e["seed"] += 1000
    v = evaluate([CLAIM], CELLS, records)[0]
    assert v.nets is None and "other episodes in each arm" in v.compared


def test_what_was_compared_is_said():
    stand_ins = {"ToolHang 1V-84": {"task": "square", "observations": "square_42", "note": "ours: Square at 42 px"}}
    v = evaluate([replace(CLAIM, objectives=("FM", "DP"))], CELLS, exactly((9, 9), (1, 1)), stand_ins)[0]
    assert v.compared == "ToolHang, FM; ToolHang 1V-84 is square_42 (ours: Square at 42 px); left out: ToolHang, DP"
    assert evaluate([CLAIM], {}, {})[0].reason == "the profile has no cell for ToolHang 1V-84, MS-SSPool, FM"


def exact(id):
    return next(c for c in all_claims() if c.id == id)


def parameters(prism=110, plain=(120, 260, 300, 900), nopool=4608):
    policies = lambda n: [{"cameras": 2, "unet": "256", "policy": n}]
    names = dict(zip(("Base", "AvgPool", "MaxPool", "NoPool"), ((64, 100), (512, 200), (512, 200), (nopool, 400))))
    names |= {f"MS-{head}, plain": (0, n) for head, n in zip(("SSPool", "AvgPool", "MaxPool", "NoPool"), plain)} | {"PRISM": (64, prism)}
    return {"parameters": {"cell": "parameters", "kind": "parameters", "measurements": [{"variant": v, "dim": d, "encoder": 1000, "policy": n, "policies": policies(n)} for v, (d, n) in names.items()]}}


def test_counts():
    assert [count(exact(c), parameters()).verdict for c in ("compact", "scales-cost")] == ["reproduced"] * 2
    assert count(exact("compact"), parameters(nopool=2304)).verdict == "contradicted"
    assert count(exact("scales-cost"), parameters(plain=(190, 260, 300, 900))).verdict == "contradicted"
    record = parameters()
    record["parameters"]["measurements"].pop(3)
    with pytest.raises(NotRun, match="no NoPool"):
        count(exact("compact"), record)
    with pytest.raises(NotRun, match="no parameters record"):
        count(exact("parameters"), {})
    with pytest.raises(NotRun, match="has no PRISM"):
        count(exact("parameters"), {"parameters": {"cell": "p", "kind": "parameters", "config": {"variants": {"Base": {"name": "SSPool"}}}, "measurements": [{"variant": "Base", "dim": 64, "encoder": 1, "policies": []}]}})


def increased(*ways, base=1000, **others):
    "A record whose PRISM adds these percents, a policy each; others are variants of it, one percent for all policies."
    policies = lambda more: [{"cameras": i, "unet": "256", "policy": base + 10 * x} for i, x in enumerate(more)]
    names = {"Base": {"name": "SSPool"}, "PRISM": {"name": "PRISM"}} | {f"PRISM, {name}": {"name": "PRISM"} for name in others}
    added = {"Base": [0] * len(ways), "PRISM": ways} | {f"PRISM, {name}": [x] * len(ways) for name, x in others.items()}
    measured = [{"variant": v, "dim": 64, "encoder": base + 10 * more[0], "policies": policies(more)} for v, more in added.items()]
    return {"parameters": {"cell": "parameters", "kind": "parameters", "config": {"variants": names}, "measurements": measured}}


def test_the_nearest_of_several_readings_reproduces_nothing():
    said = lambda *ways, **others: count(exact("parameters"), increased(*ways, **others))
    v = said(56.3, 14.1, 8.3, 4.5, 2.4)
    assert v.verdict == "inconclusive" and v.estimate is None and v.reason.startswith("not identifiable: readings of one PRISM give +56.3 %, +56.3 %, +14.1 %, +8.3 %, +4.5 %, +2.4 %; the paper prints +15.4 %")
    assert said(15, 16, 14).verdict == "reproduced" and said(15, 16, 14, wide=30).verdict == "inconclusive"
    assert [said(56, 30, 18).verdict, said(2, 4, 13).verdict, said(56, 30, 18, small=14).verdict, said(56, 30, 17).verdict] == ["contradicted", "contradicted", "inconclusive", "inconclusive"]
    assert "every reading is more than 2 points above +15.4 %" in said(56, 30, 18).reason and "over all 8 readings from +14.0 % to +56.0 %" in said(56, 30, 18, small=14).reason


def latency(p95, n=50):
    measured = [{"size": "paper", "sampler": s, "n": n, "p50": p95, "p95": p95} for s in ("FM-10", "MF-1", "DDPM-100")]
    record = {"cell": "latency", "kind": "latency", "device": "a machine", "config": {"control_freq": 20, "Ta": 8, "threads": 1}, "measurements": measured}
    return evaluate([exact(f"latency-{s}") for s in ("fm-10", "mf-1", "ddpm-100")], {}, {"latency": record})


def test_times():
    assert [[v.verdict[0] for v in latency(p)] for p in (0.04, 0.3, 0.5)] == [["r", "r", "c"], ["r", "c", "c"], ["c", "c", "r"]]
    assert latency(0.3)[0].compared == "record latency of a machine, 1 thread"


def test_a_p95_needs_twenty_chunks():
    assert [latency(0.5, n)[0].verdict for n in (3, MIN_CHUNKS - 1, MIN_CHUNKS)] == ["inconclusive", "inconclusive", "contradicted"]
    assert latency(0.5, 3)[0].reason == "3 timed chunks; a p95 needs 20 (p95 500 ms, limit 400 ms)"


def test_counts_are_told_from_what_trained_networks_did():
    assert {c.kind for c in all_claims() if counted(c)} == {"parameters", "latency"} and not counted(exact("robot"))


def test_a_profile_without_records_has_run_nothing():
    found = evaluate(all_claims(), {}, {})
    assert tally(found) == dict(zip(VERDICTS, (0, 0, 0, len(all_claims())))) and all(v.reason for v in found)


def test_one_arm_can_be_held_against_zero():
    claim = Claim("z", "here", "Not nothing.", "success", "more", (Term(1.0, "SSPool", "1V-84"),), ("ToolHang",))
    assert evaluate([claim], CELLS, exactly((0, 0, 0, 0), (20, 22, 24, 21)))[0].verdict == "reproduced"
    assert evaluate([replace(claim, terms=(Term(1.0, "MS-SSPool", "1V-84"),))], CELLS, exactly((0, 0, 0, 0), (0, 0, 0, 0)))[0].verdict == "inconclusive"
    assert describe(claim, collect(claim, CELLS, exactly((1,), (1,))), {}) == "ToolHang, FM"
