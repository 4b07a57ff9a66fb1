"""Tests of nbs/crobo/79_clone_rollouts.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.crobo.clone_rollouts import Run, accounts, episode_seeds, expert_of, world_of
from prism_repro.data.schema import write_demos


def test_episodes_that_the_expert_tried_are_refused():
    expert = {"seeds": [10, 40]}
    assert episode_seeds({"first_seed": 41, "episodes": 2}, expert) == [41, 42] and episode_seeds({"first_seed": 0, "episodes": 10}, expert)[-1] == 9
    for first, count in ((40, 3), (0, 11), (20, 1), (0, 100), (50, 0)):
        with pytest.raises(ValueError, match="must not be tried where its expert was"):
            episode_seeds({"first_seed": first, "episodes": count}, expert)


def test_the_expert_is_summed_up_with_the_tries_that_failed(tmp_path):
    def episode(seed, n, **more):
        return dict(actions=np.zeros((n, 2)), states=np.zeros((n, 3)), obs={}, attrs=dict(seed=seed, task="x", **more))

    attrs = dict(env_args=dict(env_name="x", type=2, env_kwargs={}), horizon=50)
    write_demos(tmp_path / "k", [episode(s, 10 + s) for s in (0, 1, 4)], attrs=attrs | dict(task="light_on"))
    write_demos(tmp_path / "c", [episode(s, 10, score=90.0 + s) for s in (0, 1)], attrs=attrs | dict(task="reacher_easy"))
    kitchen, control = expert_of(tmp_path / "k"), expert_of(tmp_path / "c")
    assert (kitchen["demonstrations"], kitchen["tries"], kitchen["score"], kitchen["seeds"]) == (3, 5, 60.0, [0, 4])
    assert (control["tries"], control["score"], control["mean_length"]) == (2, 90.5, 10.0)


def test_tasks_belong_to_one_world_each():
    from prism_repro.paper.crobo import CLONED, KITCHEN

    for name, task in CLONED.items():
        assert world_of(task) == ("kitchen" if name in KITCHEN else "control")
    with pytest.raises(ValueError, match="no task 'lift' to clone"):
        world_of("lift")


def test_names_are_explained_by_the_records_of_their_pre_trainings(tmp_path):
    from prism_repro.hashes import to_text

    path = tmp_path / "results/p/records/a.json"
    path.parent.mkdir(parents=True)
    path.write_text(to_text(dict(config=dict(model=dict(method="ToBo", mask_ratio=0.9, views=dict(pair="time")), training=dict(steps=7)))))
    found = accounts({"x": {"pretraining": "a"}, "y": {"patches": "a"}, "z": {"random": "a"}}, "p", tmp_path)
    assert found["x"] == dict(method="ToBo", mask_ratio=0.9, pair="time", steps=7) and found["y"]["method"] == "ToBo patches" and found["z"] == {"method": "random"}
    with pytest.raises(FileNotFoundError, match="pretrain@b"):
        accounts({"x": {"pretraining": "b"}}, "p", tmp_path)
    assert Run("a/b", 0, "left_cap2", 3).name == "a_b-0-left_cap2-3"
