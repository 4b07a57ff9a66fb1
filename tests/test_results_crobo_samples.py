"""Tests of nbs/results/93_crobo_samples.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.paper.crobo import crobo_claims
from prism_repro.results.crobo_samples import account, collect_crobo
from prism_repro.results.paired import seed_differences
from prism_repro.results.samples import NotRun

CLAIMS = {claim.id: claim for claim in crobo_claims()}


def cloning(task, rows, specs, cell="c"):
    "rows: backbone -> training seed -> scores."
    found = [dict(backbone=b, pretraining=p, camera="l", seed=0, checkpoint="last", score=0.0, episodes=[dict(seed=i, score=float(x)) for i, x in enumerate(scores)]) for b, seeds in rows.items() for p, scores in seeds.items()]
    return dict(kind="cloning", cell=cell, config=dict(task=task, backbones=specs, rollouts=dict(horizon=50)), expert=dict(score=96.0), measurements=found)


def trained(method, **more):
    return dict(kind="pretraining", config=dict(model=dict(method=method, mask_ratio=0.9, views=dict(pair="crop")) | more))


def test_a_checkpoint_without_seeds_stands_against_each_of_ours():
    record = cloning("light_on", {"a": {0: [100, 0], 7: [100, 100]}, "DINOv2": {0: [0, 0]}}, {"a": {"pretraining": "x"}, "DINOv2": {"checkpoint": "p"}})
    records = {"c": record, "x": trained("CroBo")}
    claim = next(c for c in CLAIMS.values() if c.id == "kitchen-dinov2")
    found = collect_crobo(claim, {}, records, partial=True)
    assert found.seeds == (0, 7) and [float(b[0].mean()) for b in found.samples] == [0.5, 1.0] and len(found.left_out) == 4
    with pytest.raises(NotRun, match="no cloning record of Knob on"):
        collect_crobo(claim, {}, records)


def test_another_mask_is_another_arm():
    record = cloning("light_on", {"a": {0: [100]}, "b": {0: [0]}}, {"a": {"pretraining": "x"}, "b": {"pretraining": "y"}})
    records = {"c": record, "x": trained("CroBo"), "y": trained("CroBo", mask_ratio=0.75)}
    found = collect_crobo(CLAIMS["mask-75"], {}, records, partial=True)
    assert float(found.samples[0][0][0]) * 1.0 == 1.0
    with pytest.raises(NotRun):
        collect_crobo(CLAIMS["mask-95"], {}, records, partial=True)
    assert account("a", record, {}) == {"method": "a"}


def test_degrees_answers_and_decibels_are_found_clip_by_clip():
    specs = {"a": {"pretraining": "x"}, "r": {"random": "x"}}
    clips = lambda kind, **more: dict(kind=kind, cell=kind, config=dict(backbones=specs), measurements=[dict(backbone=b, seed=s, **more, episodes=[dict(episode="c0", degrees=d, value=d), dict(episode="c1", degrees=d, value=d)]) for b, d in (("a", 70.0), ("r", 80.0)) for s in (0, 1)])
    records = {"x": trained("CroBo"), "s": clips("straightness", frames="f"), "p": clips("token_probe", target="position", unit="mm")}
    for id in ("straight-random", "position-random"):
        found = collect_crobo(CLAIMS[id], {}, records)
        assert found.seeds == (0, 1) and float(found.samples[0][0].mean()) == -10.0 and found.episodes == 2 and found.cells[1:] == ("CroBo", "random")
    with pytest.raises(NotRun, match="no token_probe record"):
        collect_crobo(CLAIMS["identity-random"], {}, records)
    picture = dict(kind="reconstruction", cell="q", config=dict(model=dict(method="CroBo")), measurements=[dict(frames="f", pretraining="x", seed=0, episodes=[dict(episode="c0", own_objects=[None, 0.1], other_objects=[None, 1.0])])])
    assert np.isclose(collect_crobo(CLAIMS["token-used"], {}, {"q": picture}).samples[0][0][0], 10.0)


def test_averaged_cases_are_named_with_their_own_estimates():
    specs = {"a": {"pretraining": "x"}, "r": {"random": "x"}}
    record = lambda cell, gap, n, seeds=(0, 1, 2): dict(kind="straightness", cell=cell, config=dict(backbones=specs), measurements=[
        dict(backbone=b, seed=s, frames=cell, episodes=[dict(episode=f"c{i}", degrees=80.0 + g * (1 + 0.01 * s)) for i in range(n)]) for b, g in (("a", gap), ("r", 0.0)) for s in seeds])
    told = lambda *records: collect_crobo(CLAIMS["straight-random"], {}, {"x": trained("CroBo")} | {r["cell"]: r for r in records})
    both = told(record("film", 10.0, 6), record("solids", -6.0, 42))
    assert both.cases[0] == "film: +10.1 degrees [+9.9, +10.3], 6 clips" and both.cases[1].startswith("solids: -6.1 degrees [-6.2, -5.9], 42 clips (these contradict each other")
    assert both.cells == ("film", "solids", "CroBo", "random") and both.episodes == 48
    alike = told(record("film", -10.0, 6), record("solids", -6.0, 42))
    assert not any("contradict" in case for case in alike.cases) and told(record("solids", -6.0, 42)).cases == ("solids",)
    fewer = told(record("film", 10.0, 6, (0,)), record("solids", -6.0, 42))
    assert fewer.cases == ("film: +10.0 degrees, 6 clips", "solids: -6.0 degrees, 42 clips"), "over the seeds that all cases share"
    picture = dict(kind="reconstruction", cell="q", config=dict(model=dict(method="CroBo")), measurements=[
        dict(frames=f, pretraining="x", seed=0, episodes=[dict(episode="c0", own_objects=[0.1], other_objects=[0.1 * 10 ** (0.1 * g)])]) for f, g in (("solids", 0.71), ("kitchen", 0.006))])
    assert collect_crobo(CLAIMS["token-used"], {}, {"q": picture}).cases == ("q, solids: +0.71 dB, 1 clips", "q, kitchen: +0.01 dB, 1 clips")
    light = cloning("light_on", {"a": {0: [100, 100]}, "b": {0: [0, 0]}}, {"a": {"pretraining": "x"}, "b": {"random": "x"}}, "c1")
    door = cloning("sdoor_open", {"a": {0: [100, 0]}, "b": {0: [0, 0]}}, {"a": {"pretraining": "x"}, "b": {"pretraining": "y"}}, "c2")
    light["config"]["backbones"]["b"] = {"pretraining": "y"}
    found = collect_crobo(CLAIMS["kitchen-tobo"], {}, {"c1": light, "c2": door, "x": trained("CroBo"), "y": trained("ToBo")}, partial=True)
    assert found.cases == ("Light on (horizon 50, expert 96): +100.0 points, 2 episodes", "Sdoor open (horizon 50, expert 96): +50.0 points, 2 episodes") and found.left_out == ("Knob on", "Ldoor open", "Micro open")


def test_pixels_stand_against_each_training_seed_of_crobo():
    specs = {"a": {"pretraining": "x"}, "pixels": {"pixels": 64}}
    rows = [dict(backbone=b, seed=s, target="position", unit="mm", episodes=[dict(episode="c0", value=v), dict(episode="c1", value=v + 2)]) for b, seeds, v in (("a", (0, 1), 170.0), ("pixels", (0,), 150.0)) for s in seeds]
    found = collect_crobo(CLAIMS["position-pixels"], {}, {"x": trained("CroBo"), "p": dict(kind="token_probe", cell="p", config=dict(backbones=specs), measurements=rows)})
    assert found.seeds == (0, 1) and seed_differences(found.samples).tolist() == [20.0, 20.0]


def test_claims_that_share_a_record_are_corrected_one_by_one():
    "One record holds every backbone: two comparisons within it are two, and a corrected p-value is never smaller than the raw one."
    from prism_repro.results.verdicts import evaluate

    specs, rng = {"a": {"pretraining": "x"}, "r": {"random": "x"}, "m": {"pretraining": "y"}}, np.random.default_rng(0)
    rows = [dict(backbone=b, seed=s, target="position", unit="mm", episodes=[dict(episode=f"c{i}", value=float(v)) for i, v in enumerate(rng.normal(at, 2, 30))])
            for b, at in (("a", 100), ("r", 110), ("m", 101)) for s in range(4)]  # fmt: skip
    records = {"x": trained("CroBo"), "y": trained("MAE", mask_ratio=0.75), "p": dict(kind="token_probe", cell="p", config=dict(backbones=specs), measurements=rows)}
    found = {v.claim.id: v for v in evaluate(list(CLAIMS.values()), {}, records, decide=["position-random", "position-mae"], samples=collect_crobo, n=200)}
    first, second = found["position-random"], found["position-mae"]
    assert first.p < 0.05 and first.adjusted >= first.p and second.adjusted >= second.p and first.adjusted != second.adjusted and not second.same
