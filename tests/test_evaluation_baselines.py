"""Tests of nbs/evaluation/72_baselines.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import h5py
import numpy as np
import pytest

from prism_repro.data.schema import write_demos
from prism_repro.evaluation.baselines import Baseline, mean_action
from prism_repro.evaluation.rollouts import rollouts


def test_uniform_numbers_and_a_mean(tmp_path):
    noise = np.random.default_rng(0).standard_normal((20000, 7), dtype=np.float32)
    drawn = Baseline("lift", Ta=20000).act({}, noise)
    assert np.abs(np.quantile(drawn, [0.25, 0.5, 0.75]) - [-0.5, 0, 0.5]).max() < 0.01
    demos = [dict(actions=np.full((n, 7), value), states=np.zeros((n, 2)), model_file="<mujoco/>") for n, value in ((3, 0.5), (1, 0.1), (4, 0.9))]
    path = write_demos(tmp_path / "d.hdf5", demos, attrs={"env_args": {"env_name": "Lift"}}, mask={"train": ["demo_0", "demo_1"], "valid": ["demo_2"]})
    assert mean_action(path) == pytest.approx([0.4] * 7)
    assert np.allclose(Baseline("lift", mean_action(path)).act({}, noise), 0.4)


@pytest.mark.parametrize("Ta", [0, 2.5, True])
def test_chunks_without_actions_are_refused(Ta):
    with pytest.raises(ValueError, match=f"Ta={Ta!r}: expected a whole number"):
        Baseline("lift", Ta=Ta)


@pytest.mark.parametrize("change,match", [(dict(seeds=[]), "seeds is empty"), (dict(seeds=[3, 3]), "more than once"), (dict(workers=0), "workers=0"), (dict(horizon=0), "horizon=0")])
def test_what_rollouts_refuse_is_refused_for_baselines(change, match):
    with pytest.raises(ValueError, match=match):
        rollouts(Baseline("lift"), **(dict(seeds=[3], progress=False) | change))


def test_they_play_the_same_episodes_whatever_the_number_of_workers():
    pytest.importorskip("robosuite")
    one, two = (rollouts(Baseline("lift"), [5, 3, 4], horizon=20, workers=w, progress=False) for w in (1, 2))
    assert one == two and [e["seed"] for e in one] == [3, 4, 5] and len({e["actions_sha256"] for e in one}) == 3
    mean = rollouts(Baseline("lift", (0.0,) * 7), [3, 4], horizon=20, workers=1, progress=False)
    assert mean[0]["actions_sha256"] == mean[1]["actions_sha256"] and not any(e["success"] for e in mean)
