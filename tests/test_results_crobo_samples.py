"""Tests of nbs/results/93_crobo_samples.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.paper.crobo import crobo_claims
from prism_repro.results.crobo_samples import account, collect_crobo
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
