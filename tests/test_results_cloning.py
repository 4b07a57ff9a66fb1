"""Tests of nbs/results/92_cloning.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.results.cloning import COLOURS, MIN_EPISODES, NETS, chosen, colour_of, conditions, figure_cloning, plays, scores, success_interval, summarise
from prism_repro.results.figures import figure_bytes


def record(values, task="light_on", horizon=60, account=None):
    "A record from backbone -> training seed -> checkpoint -> scores of its episodes."
    found = [dict(backbone=b, pretraining=p, camera="left_cap2", seed=0, checkpoint=c, steps=1, score=float(np.mean(x)), episodes=[dict(seed=i, score=float(y), length=1, actions_sha256="0" * 64) for i, y in enumerate(x)])
             for b, seeds in values.items() for p, points in seeds.items() for c, x in points.items()]
    recipe = dict(history=1, low_dim=[], hidden=[8], activation="tanh", last_layer=1.0, lr=1e-3, batch_size=32, steps=10, epochs=None, evaluations=1)
    config = dict(task=task, accounts={b: (account or {"method": "CroBo"}) for b in values}, cameras=["left_cap2"], image_size=64, seeds=[0], recipe=recipe, rollouts=dict(horizon=horizon, episodes=2))
    return dict(kind="cloning", cell="c", config=config, measurements=found,
                expert=dict(demonstrations=5, tries=6, horizon=60, mean_length=3.0, score=83.3, seeds=[0, 5]))


def test_the_headline_is_the_last_checkpoint_and_the_best_is_each_runs_own():
    r = record({"a": {0: {"step_000001": [100, 100] * 4, "last": [0, 100] * 4}, 1: {"step_000001": [0, 0] * 4, "last": [100, 100] * 4}}})
    last, best = summarise(r, "a"), summarise(r, "a", "max")
    assert (last.value, best.value, last.over, last.runs, last.checkpoints) == (75.0, 100.0, "2 training seeds", 2, 2)
    assert 0 <= last.low <= 75 <= last.high <= 100
    with pytest.raises(ValueError, match="rule 'first' is unknown"):
        chosen(r["measurements"], "first")


def test_one_backbone_speaks_for_itself_only():
    s = summarise(record({"a": {3: {"last": [0, 100, 100, 0] * 2}}}), "a")
    assert s.over == NETS and s.low <= 50 <= s.high and s.episodes == 8 and s.seeds == {3: 50.0}


def test_nought_of_eight_is_not_nought_for_sure():
    from prism_repro.results.statistics import wilson

    s = summarise(record({"a": {0: {"last": [0] * 8}}}), "a")
    assert (s.low, round(s.high, 3)) == (0, round(100 * wilson(0, 8)[1], 3)) and s.high > 30
    one, copies = success_interval([[0], [100], [100]]), success_interval([[0] * 5, [100] * 5, [100] * 5])
    assert np.allclose(one, np.multiply(100, wilson(2, 3)), atol=1e-3) and np.allclose(one, copies), "five runs that always agree are one"
    free = success_interval([[0, 100, 100]] * 30)
    assert np.allclose(free, np.multiply(100, wilson(60, 90)), atol=1e-3)
    still = summarise(record({"a": {0: {"last": [0] * 8}, 1: {"last": [0] * 8}}}), "a")
    assert still.low == 0 and still.high > 10, "two seeds without success have an interval, too"


def test_a_method_has_one_colour():
    assert colour_of("CroBo, mask 75 %") == colour_of("CroBo patches") == colour_of("CroBo's patches") == COLOURS["CroBo"] and colour_of("CropMAE") == COLOURS["CropMAE"]
    assert len(set(COLOURS.values())) == len(COLOURS) and colour_of("random") not in COLOURS.values()
    okabe_ito = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
    from prism_repro.results.figures import COLOURS as PRISM_COLOURS

    assert set(COLOURS.values()) <= okabe_ito and COLOURS["PRISM"] == PRISM_COLOURS["PRISM"]


def test_the_figure_is_drawn_with_and_without_records_to_the_same_bytes():
    r = record({"a": {0: {"step_000001": [100, 0], "last": [0, 100]}}}, task="reacher_easy", horizon=500)
    assert figure_bytes(figure_cloning("p", [r]), "png", 40) == figure_bytes(figure_cloning("p", [r]), "png", 40) != figure_bytes(figure_cloning("p", []), "png", 40)
