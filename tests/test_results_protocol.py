"""Tests of nbs/results/92_protocol.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from pathlib import Path

import pytest

import prism_repro
from prism_repro.crobo.cloning import resolve_recipe
from prism_repro.paper.crobo import CONTROL, KITCHEN, UNPRINTED
from prism_repro.profiles import read_profile
from prism_repro.results.protocol import deviations, differences

ROOT = Path(prism_repro.__file__).parents[1]
RECIPE_ITEMS = ("history", "batch", "proprioception", "head", "optimiser")  # what no profile may change; how long and how often, it may


def record_of(task, recipe=None, **config):
    domain = "kitchen" if task in KITCHEN.values() else "control"
    full = dict(task=task, cameras=["left_cap2", "right_cap2"], image_size=224, seeds=[1] * (5 if domain == "kitchen" else 10), rollouts=dict(episodes=50 if domain == "kitchen" else 10), recipe=resolve_recipe(domain, recipe))
    return dict(kind="cloning", cell="c", config=full | config, expert=dict(demonstrations=25 if domain == "kitchen" else 100))


def test_the_recipes_are_the_protocol():
    "Each setting of crobo.cloning.RECIPES against the fact that it stands for."
    for task in (*KITCHEN.values(), *CONTROL.values(), *UNPRINTED.values()):
        assert differences(record_of(task)) == [], task


@pytest.mark.parametrize("recipe, item", [
    ({"low_dim": []}, "proprioception"), ({"last_layer": 1.0}, "head"), ({"hidden": [256]}, "head"), ({"activation": "relu"}, "head"), ({"batch_size": 64}, "batch"), ({"lr": 1e-4}, "optimiser"), ({"history": 3}, "history"),
    ({"steps": 4000}, "steps"), ({"epochs": 30}, "steps"), ({"evaluations": 2}, "evaluations")])
def test_a_changed_recipe_is_told(recipe, item):
    found = differences(record_of("light_on", recipe))
    assert item in [i for i, _, _ in found] and f"{item} " in deviations([record_of("light_on", recipe)])[0]


def test_changed_surroundings_are_told_and_alike_tasks_share_a_line():
    one, two, three = (record_of(t, {"steps": 4000, "evaluations": 2}, cameras=["left_cap2"], seeds=[1], image_size=64, rollouts=dict(episodes=n)) for t, n in (("light_on", 20), ("sdoor_open", 20), ("micro_open", 10)))
    lines = deviations([one, two, three, dict(kind="rollouts")])
    assert lines[0] == ("Light on, Sdoor open: not by the protocol: cameras 1 (protocol: 2); seeds of a head 1 (protocol: 5); pixels 64 (protocol: 224); steps 4,000 (protocol: 20,000); "
                        "evaluations every 2,000 steps, 20 episodes (protocol: every 1,000 steps, 50 episodes).")
    assert lines[1].startswith("Micro open: not") and len(lines) == 2 and deviations([record_of("walker_walk")]) == ["walker/walk: by the protocol."]
    few = record_of("finger_spin", {"epochs": 30, "evaluations": 1})
    few["expert"]["demonstrations"] = 10
    assert "demonstrations 10 (protocol: 100)" in deviations([few])[0] and "epochs 30 (protocol: 100)" in deviations([few])[0]
    assert "cameras left_cap2 and x (protocol: left_cap2 and right_cap2)" in deviations([record_of("light_on", cameras=["left_cap2", "x"])])[0]


def profiles():
    return ["quick", *sorted(p.parent.name for p in (ROOT / "profiles").glob("*/params.yaml"))] if (ROOT / "profiles").is_dir() else []


@pytest.mark.parametrize("profile", profiles())
def test_profiles_clone_with_the_protocol_s_head_batch_and_state(profile):
    "Shorter and rarer is a profile's choice, and is printed; another head, batch, learning rate or state would be another experiment."
    for name, stage in (read_profile(ROOT, profile).get("cloning") or {}).items():
        record = record_of(name.removeprefix("cloning-"), stage.get("recipe"))
        assert [d for d in differences(record) if d[0] in RECIPE_ITEMS] == [], (profile, name)


def test_the_profile_of_the_paper_s_settings_keeps_them_all():
    for name, stage in (read_profile(ROOT, "crobo")["cloning"] if (ROOT / "profiles" / "crobo").is_dir() else {}).items():
        record = record_of(name.removeprefix("cloning-"), stage.get("recipe"), seeds=stage["seeds"], rollouts=stage["rollouts"])
        assert differences(record) == [], name
