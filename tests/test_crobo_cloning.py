"""Tests of nbs/crobo/78_cloning.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest
import torch

from prism_repro.crobo.cloning import Actor, Demonstrations, Head, cached_tokens, checkpoints, clone, demonstrations_hash, fuse, read_demonstrations, resolve_recipe, run_episode, windows
from prism_repro.data.schema import write_demos


def make(n=64, D=5, d=2, seed=0):
    rng = np.random.default_rng(seed)
    return Demonstrations(rng.normal(size=(n, D)).astype(np.float32), rng.normal(size=(n, d)).astype(np.float32), rng.uniform(-1, 1, (n, 3)).astype(np.float32), np.zeros(n, np.int64))


SMALL = resolve_recipe("kitchen", {"steps": 30, "evaluations": 3, "batch_size": 8, "hidden": [16]})


def test_the_recipes_are_the_papers():
    from prism_repro.paper.crobo import fact

    for domain in ("kitchen", "control"):
        recipe = resolve_recipe(domain)
        assert (recipe["history"], recipe["batch_size"], recipe["lr"]) == (fact(domain, "history").value, fact(domain, "batch").value, 1e-3)
        assert "-".join(map(str, recipe["hidden"])) in fact(domain, "head").value and recipe["activation"].lower() in fact(domain, "head").value.lower()
    assert resolve_recipe("kitchen")["steps"] == fact("kitchen", "steps").value and resolve_recipe("control")["epochs"] == fact("control", "epochs").value
    assert resolve_recipe("control", {"steps": 9})["epochs"] is None and resolve_recipe("kitchen", {"epochs": 2})["steps"] is None
    assert checkpoints(resolve_recipe("control"), 50_000)[-1] == 19532 and len(checkpoints(resolve_recipe("control"), 50_000)) == 20


def test_settings_without_sense_are_refused():
    for domain, settings, words in (("moon", {}, "choose one of"), ("kitchen", {"momentum": 1}, "Unknown cloning settings"), ("kitchen", {"steps": 1, "epochs": 1}, "Keep one"), ("kitchen", {"batch_size": 1}, "at least 2")):
        with pytest.raises(ValueError, match=words):
            resolve_recipe(domain, settings)


def test_the_same_seed_gives_the_same_bits_and_another_another():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    (a, losses), (b, again), (c, _) = (clone(make(), SMALL, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state) and list(a) == [10, 20, 30] and losses == again
    assert all(torch.equal(x, b[30].state_dict()[k]) for k, x in a[30].state_dict().items())
    assert not torch.equal(a[30].layers[0].weight, c[30].layers[0].weight) and not torch.equal(a[10].layers[0].weight, a[30].layers[0].weight)
    assert not a[10].training


def test_the_last_layer_starts_at_a_hundredth():
    config = dict(tokens=4, low_dim=0, action_dim=2, history=1, hidden=[8], activation="tanh")
    heads = []
    for scale in (1.0, 0.01):
        torch.manual_seed(0)
        heads.append(Head(config | {"last_layer": scale}))
    assert torch.allclose(heads[1].layers[-1].weight, 0.01 * heads[0].layers[-1].weight) and torch.equal(heads[1].layers[0].weight, heads[0].layers[0].weight)


def test_heads_survive_a_save_and_refuse_what_does_not_fit(tmp_path):
    heads, _ = clone(make(), SMALL, 0)
    heads[30].save_pretrained(tmp_path / "a")
    again, demos = Head.from_pretrained(tmp_path / "a"), make(seed=3)
    ask = lambda head: head(torch.from_numpy(demos.tokens)[:, None], torch.from_numpy(demos.low_dim))
    assert torch.equal(ask(again), ask(heads[30])) and not again.training
    with pytest.raises(ValueError, match=r"takes tokens \[B 1 5\]"):
        again(torch.zeros(2, 1, 6), torch.zeros(2, 2))
    with pytest.raises(FileNotFoundError):
        Head.from_pretrained(tmp_path / "b")


def test_demonstrations_that_are_not_finite_or_do_not_match_are_refused():
    good = make()
    with pytest.raises(ValueError, match="tokens hold numbers that are not finite"):
        Demonstrations(np.full_like(good.tokens, np.nan), good.low_dim, good.actions, good.starts)
    with pytest.raises(ValueError, match="same number of rows"):
        Demonstrations(good.tokens[:-1], good.low_dim, good.actions, good.starts)


def test_tokens_of_a_file_are_computed_once_and_again_when_anything_changes(tmp_path):
    rng, calls = np.random.default_rng(0), []
    episode = lambda n: dict(actions=rng.uniform(-1, 1, (n, 3)), states=rng.normal(size=(n, 4)), obs={"cam_image": rng.integers(0, 255, (n, 8, 8, 3), dtype=np.uint8), "robot0_qpos": rng.normal(size=(n, 2))})
    attrs = dict(env_args=dict(env_name="x", type=2, env_kwargs={}))
    for name, recipe in (("a", "one"), ("b", "two")):
        write_demos(tmp_path / name, [episode(5), episode(3)], attrs=attrs | dict(recipe=recipe))

    def extract(images):
        calls.append(len(images))
        return images.reshape(len(images), -1)[:, :4].astype(np.float32)

    ask = lambda name="a", about=("x",): cached_tokens(extract, {"about": about}, tmp_path / name, "cam", tmp_path / "work")
    first = ask()
    assert calls == [5, 3] and first.shape == (8, 4)
    assert np.array_equal(ask(), first) and calls == [5, 3]
    ask("b"), ask(about=("y",))
    assert calls == [5, 3] * 3 and demonstrations_hash(tmp_path / "a") == "one"
    demos = read_demonstrations(tmp_path / "a", first, ["robot0_qpos"])
    assert demos.starts.tolist() == [0] * 5 + [5] * 3 and demos.low_dim.shape == (8, 2)
    with pytest.raises(ValueError, match="same number of rows"):
        read_demonstrations(tmp_path / "a", first[:-1], [])


def test_a_history_never_reaches_into_another_episode():
    rows = windows(np.array([0, 0, 2, 2, 2]), 3)
    assert rows.tolist() == [[0, 0, 0], [0, 0, 1], [2, 2, 2], [2, 2, 3], [2, 3, 4]]
    assert fuse(torch.zeros(1, 3, 4)).shape == (1, 12) and torch.equal(fuse(torch.ones(1, 1, 2)), torch.ones(1, 2))


def test_an_episode_ends_with_success_or_the_horizon_and_returns_become_scores():
    class Env:
        def __init__(self): self.n = 0
        def reset(self, seed): self.n = 0
        def step(self, action): self.n += 1
        def low_dim(self): return {}
        def render(self, camera, size): return np.full((size, size, 3), self.n, np.uint8)

    class Kitchen(Env):
        def success(self): return self.n >= 4

    class Control(Env):
        def score(self): return self.n / 2

    actor = Actor(clone(make(D=1, d=0), resolve_recipe("control", {"steps": 2, "evaluations": 1}), 0)[0][2], lambda images: images[:, 0, 0, :1].astype(np.float32), [])
    won, lost, told = run_episode(actor, Kitchen(), 1, 9, "", 2), run_episode(actor, Kitchen(), 1, 3, "", 2), run_episode(actor, Control(), 1, 5, "", 2)
    assert (won["score"], won["length"], won["success"]) == (100.0, 4, True) and (lost["score"], lost["success"]) == (0.0, False)
    assert (told["score"], told["length"], told["success"]) == (2.5, 5, None) and told["actions_sha256"] != won["actions_sha256"]
