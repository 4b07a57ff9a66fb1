"""Tests of nbs/policies/55_policy.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest
import torch

from prism_repro.policies.policy import Policy, make_objective
from prism_repro.vision.build import ENCODERS
from prism_repro.weights import write_weights


CONFIG = {
    "task": "lift", "cameras": ["b_cam", "a_cam"], "low_dim": {"robot0_eef_pos": 3, "robot0_eef_quat": 4},
    "image_size": 40, "crop_size": 36, "To": 2, "Tp": 8, "Ta": 4, "action_dim": 7,
    "encoder": {"name": "SSPool", "width": 4, "num_kp": 4}, "unet": {"down_dims": [16, 32], "step_embed_dim": 16},
    "objective": {"name": "FM", "num_steps": 3}, "render": {"fast": True},
}


def observe(B=3, seed=0, config=CONFIG):
    g = torch.Generator().manual_seed(seed)
    size = config["crop_size"]
    obs = {c: torch.rand(B, config["To"], 3, size, size, generator=g) for c in config["cameras"]}
    obs |= {k: torch.randn(B, config["To"], d, generator=g) for k, d in config["low_dim"].items()}
    return obs | {"actions": torch.randn(B, config["Tp"], 7, generator=g)}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


OBJECTIVES = [{"name": "DP", "num_steps": 2}, {"name": "DP", "sampler": "DDIM", "num_steps": 2}, {"name": "FM", "num_steps": 2}, {"name": "MF"}]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.get("sampler", o["name"]))
@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_trains_one_step_with_every_objective_and_acts(name, objective):
    policy = Policy.from_config(CONFIG | {"encoder": {"name": name, "width": 4}, "objective": objective}, seed=0)
    optimizer = torch.optim.AdamW(policy.parameters(), 1e-3)
    before = {k: v.clone() for k, v in policy.named_parameters()}
    loss = policy.loss(observe(), generator())
    assert loss.shape == (3,) and loss.isfinite().all()
    loss.mean().backward()
    optimizer.step()
    assert all(p.grad is not None and not torch.equal(p, before[k]) for k, p in policy.named_parameters())
    assert policy.act(observe(), generator()).isfinite().all() and policy.act(observe(), generator()).shape == (3, 4, 7)


def test_weights_are_a_function_of_the_seed_and_the_global_generator_is_untouched():
    before = torch.random.get_rng_state()
    a, b, c = (Policy.from_config(CONFIG, seed=s).state_dict() for s in (5, 5, 6))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a[k], b[k]) for k in a) and not torch.equal(a["unet.final_conv.1.weight"], c["unet.final_conv.1.weight"])


def test_loss_is_a_function_of_the_generator_and_samples_are_independent():
    policy = Policy.from_config(CONFIG, seed=0)
    assert torch.equal(policy.loss(observe(), generator(1)), policy.loss(observe(), generator(1)))
    assert not torch.equal(policy.loss(observe(), generator(1)), policy.loss(observe(), generator(2)))
    batch = observe()
    changed = batch | {"a_cam": torch.cat([batch["a_cam"][:2], torch.rand(1, 2, 3, 36, 36)])}
    before, after = policy.loss(batch, generator(1)), policy.loss(changed, generator(1))
    torch.testing.assert_close(before[:2], after[:2])
    assert before[2] != after[2]


def test_loss_draws_noise_then_times_and_normalises_actions():
    policy, batch, g = Policy.from_config(CONFIG, seed=0), observe(), generator(1)
    noise, t = torch.randn(3, 8, 7, generator=g), torch.rand(3, generator=g)
    expected = policy.objective.loss(policy.unet, batch["actions"], policy.condition(batch), noise, t)
    assert torch.equal(policy.loss(batch, generator(1)), expected)
    policy.normalizer.actions_half.fill_(3.0)
    torch.testing.assert_close(policy.loss(batch | {"actions": batch["actions"] * 3}, generator(1)), expected)


def test_act_executes_the_slice_after_the_observed_steps():
    policy = Policy.from_config(CONFIG | {"To": 3}, seed=0)
    obs, noise = observe(config=CONFIG | {"To": 3}), torch.randn(3, 8, 7, generator=generator())
    assert torch.equal(policy.act(obs, noise), policy.predict(obs, noise)[:, 2:6])
    assert torch.equal(policy.act(obs, noise), policy.act(obs, noise.double()))
    assert not policy.act(obs, noise).requires_grad


def test_low_dim_and_actions_go_through_the_normaliser_once():
    policy = Policy.from_config(CONFIG, seed=0)
    obs, noise = observe(), torch.randn(3, 8, 7, generator=generator())
    plain = policy.act(obs, noise)
    policy.normalizer.robot0_eef_pos_centre.fill_(0.5)
    policy.normalizer.robot0_eef_pos_half.fill_(2.0)
    policy.normalizer.actions_half.fill_(3.0)
    shifted = obs | {"robot0_eef_pos": obs["robot0_eef_pos"] * 2 + 0.5}
    torch.testing.assert_close(policy.act(shifted, noise), plain * 3)


def shuffled(**settings):
    return Policy.from_config(CONFIG | {"encoder": {"name": "SSPool", "width": 4, "num_kp": 8, **settings}}, seed=0)


def test_a_shuffling_policy_is_a_function_of_its_noise():
    policy = shuffled(shuffle="per_sample").eval()
    obs, noise = observe(), torch.randn(3, 8, 7, generator=generator())
    assert torch.equal(policy.act(obs, noise), policy.act(obs, noise)) and torch.equal(policy.act(obs, noise), policy.act(obs, noise.double()))
    draws = [policy.condition(obs, generator(s)) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert torch.equal(draws[0].sort(1).values, draws[2].sort(1).values)  # the same keypoints in another order


@pytest.mark.parametrize("when, in_training", [("train+eval", True), ("eval", False)])
def test_shuffling_when_it_is_wanted(when, in_training):
    policy, plain, obs = shuffled(shuffle="per_batch", when=when), shuffled(), observe()
    for training, expected in ((True, in_training), (False, True)):
        policy.train(training)
        assert torch.equal(policy.condition(obs, generator(1)), plain.condition(obs)) == (not expected)
    assert torch.equal(policy.train().loss(obs, generator(1)), policy.loss(obs, generator(1)))


def test_round_trip(tmp_path):
    policy = Policy.from_config(CONFIG, seed=0)
    policy.normalizer.robot0_eef_pos_centre.fill_(0.7)
    obs, noise = observe(), torch.randn(3, 8, 7, generator=generator())
    loaded = Policy.from_pretrained(policy.save_pretrained(tmp_path / "new" / "final"))
    assert loaded.config == CONFIG  # with what is not the policy's, such as render
    assert torch.equal(loaded.act(obs, noise), policy.act(obs, noise))
    assert sorted(p.name for p in (tmp_path / "new" / "final").iterdir()) == ["config.json", "model.safetensors"]


def test_equal_policies_are_equal_bytes(tmp_path):
    files = [Policy.from_config(CONFIG, seed=3).save_pretrained(tmp_path / str(i)) / "model.safetensors" for i in range(3)]
    assert len({f.read_bytes() for f in files}) == 1


@pytest.fixture
def saved(tmp_path):
    return Policy.from_config(CONFIG, seed=0).save_pretrained(tmp_path / "p")


def test_a_mixed_folder_is_refused(saved, tmp_path):
    other = Policy.from_config(CONFIG | {"Ta": 2}, seed=0).save_pretrained(tmp_path / "other")
    (saved / "config.json").write_bytes((other / "config.json").read_bytes())
    with pytest.raises(ValueError, match="different runs"):
        Policy.from_pretrained(saved)


def test_weights_of_another_kind_and_shape_are_refused(saved):
    policy = Policy.from_pretrained(saved)
    write_weights(saved, "prism_repro encoder", CONFIG, policy.state_dict())
    with pytest.raises(ValueError, match="expected kind 'prism_repro policy', found 'prism_repro encoder'"):
        Policy.from_pretrained(saved)
    write_weights(saved, "prism_repro policy", CONFIG | {"Tp": 8, "action_dim": 3}, policy.state_dict())
    with pytest.raises(ValueError, match=r"does not fit its configuration in \d+ of \d+ tensors"):
        Policy.from_pretrained(saved)


@pytest.mark.parametrize(
    "change,match",
    [
        ({"Ta": 8}, "Ta must lie between 1 and Tp-To\\+1=7"),
        ({"To": 0}, "do not fit"),
        ({"crop_size": 41}, "crop_size=41 is larger than image_size=40"),
        ({"encoder": {"name": "MaxxPool"}}, "MaxxPool"),
        ({"encoder": {"name": "PRISM", "widht": 4}}, "widht"),
        ({"objective": {"name": "DDIM"}}, "choose DP"),
        ({"objective": {"name": "FM", "steps": 3}}, "'steps'"),
        ({"cameras": [], "low_dim": {}}, "observe nothing"),
        ({"Ta": 9}, "Ta=9 do not fit"),
        ({"Ta": 2.5}, "Ta=2.5: expected a whole number"),
        ({"To": "2"}, "To='2': expected a whole number"),
        ({"Tp": True}, "Tp=True: expected a whole number"),
        ({"action_dim": 7.0}, "action_dim=7.0: expected a whole number"),
        ({"crop_size": 36.0}, "crop_size=36.0: expected a whole number"),
        ({"low_dim": {"joints": 2.0}}, r"low_dim\['joints'\]=2.0: expected a whole number"),
        ({"low_dim": ["joints"]}, r"low_dim=\['joints'\]: expected a dictionary"),
        ({"objective": "FM"}, "objective='FM': expected a dictionary"),
        ({"encoder": "PRISM"}, "encoder='PRISM': expected a dictionary"),
        ({"actions": "relative"}, "actions='relative': choose one of delta, absolute"),
        ({"objective": {"name": "FM", "num_steps": 2.5}}, "num_steps=2.5 is not a number of steps"),
        ({"objective": {"name": "DP", "num_steps": True}}, "num_steps=True does not fit"),
        ({"objective": {"name": "MF", "num_steps": 0}}, "num_steps=0 is not a number of steps"),
    ],
)
def test_configurations_that_contradict_themselves_are_refused(change, match):
    with pytest.raises(ValueError, match=match):
        Policy.from_config(CONFIG | change)


@pytest.mark.parametrize("change", [{}, {"actions": "delta"}, {"actions": "absolute", "action_dim": 10}])
def test_both_kinds_of_actions_are_taken(change):
    assert Policy.from_config(CONFIG | change, seed=0).config == CONFIG | change


def test_missing_entries_are_named():
    with pytest.raises(ValueError, match="lacks \\['Tp'\\]"):
        Policy.from_config({k: v for k, v in CONFIG.items() if k != "Tp"})


def test_observations_that_do_not_fit_are_refused():
    policy, obs = Policy.from_config(CONFIG, seed=0), observe()
    for wrong in (torch.zeros(3, 2, 3, 40, 40), torch.zeros(3, 1, 3, 36, 36)):
        with pytest.raises(ValueError, match="cropped to 36 px"):
            policy.act(obs | {"a_cam": wrong}, generator())
    with pytest.raises(KeyError, match="lacks 'a_cam'"):
        policy.act({k: v for k, v in obs.items() if k != "a_cam"}, generator())
    for wrong in (torch.zeros(3, 4, 7), 0):
        with pytest.raises(ValueError, match=r"expected .*\[B, Tp, Da\] = \[3, 8, 7\]"):
            policy.act(obs, wrong)


@pytest.mark.parametrize(
    "key,change,match",
    [
        ("a_cam", lambda x: x * 255, r"Images of 'a_cam' go from .* to 25\d.*, expected floats in \[0, 1\]: divide bytes by 255"),
        ("a_cam", lambda x: x * 2 - 1, r"Images of 'a_cam' go from -"),
        ("a_cam", lambda x: (x * 255).byte(), "'a_cam' are torch.uint8.*divide bytes by 255"),
        ("a_cam", lambda x: x.double(), "'a_cam' are torch.float64.*expected torch.float32"),
        ("a_cam", lambda x: x.numpy(), r"'a_cam' is of type ndarray, expected \[B, 2, 3, 36, 36\], a tensor"),
        ("a_cam", lambda x: x.transpose(2, 4), r"'a_cam' have shape \[3, 2, 36, 36, 3\], expected \[B, 2, 3, 36, 36\]"),
        ("a_cam", lambda x: x[0], r"'a_cam' have shape \[2, 3, 36, 36\]"),
        ("a_cam", lambda x: x[:2], "one size for all, found 3 of 'b_cam', 2 of 'a_cam'"),
        ("a_cam", lambda x: x.masked_fill(x > 0.9, float("nan")), "'a_cam' holds .* of 23328 numbers that are not finite"),
        ("robot0_eef_pos", lambda x: x / 0, "'robot0_eef_pos' holds 18 of 18 numbers that are not finite"),
        ("robot0_eef_pos", lambda x: x[:, :1], r"'robot0_eef_pos' has shape \[3, 1, 3\], expected \[B, 2, 3\]: pass the last To=2 readings"),
        ("robot0_eef_pos", lambda x: x[..., :2], r"'robot0_eef_pos' has shape \[3, 2, 2\], expected \[B, 2, 3\]"),
        ("robot0_eef_pos", lambda x: x[0], r"'robot0_eef_pos' has shape \[2, 3\]"),
        ("robot0_eef_pos", lambda x: x.tolist(), "'robot0_eef_pos' is of type list, expected"),
    ],
)
def test_what_a_policy_is_shown_by_mistake_is_refused(key, change, match):
    policy, obs = Policy.from_config(CONFIG, seed=0), observe()
    with pytest.raises(ValueError, match=match):
        policy.act(obs | {key: change(obs[key])}, generator())


def test_images_that_resizing_overshot_are_taken():
    policy, obs = Policy.from_config(CONFIG, seed=0), observe()
    assert policy.act(obs | {"a_cam": obs["a_cam"] * 1.1 - 0.05}, generator()).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_policy_of_another_precision_is_refused_and_autocast_is_not(dtype):
    policy, noise = Policy.from_config(CONFIG, seed=0), torch.randn(3, 8, 7, generator=generator())
    with torch.autocast("cpu", torch.bfloat16):
        assert policy.act(observe(), noise).isfinite().all()
    with pytest.raises(ValueError, match=f"parameters are {dtype}, and it acts in torch.float32: call policy.float()"):
        policy.to(dtype).act(observe(), noise)
    assert policy.float().act(observe(), noise).isfinite().all()


@pytest.mark.parametrize(
    "change", [{"cameras": "top"}, {"cameras": ["a", "a"]}, {"low_dim": {"actions": 7}}, {"low_dim": {"a_cam": 3}}, {"action_dim": 0}, {"low_dim": {"robot0_eef_pos": 0}}]
)
def test_names_that_collide_and_empty_sizes_are_refused(change):
    with pytest.raises(ValueError, match="cameras=|action_dim="):
        Policy.from_config(CONFIG | change)


def test_what_a_policy_does_not_know_does_not_count():
    policy, obs = Policy.from_config(CONFIG, seed=0), observe()
    noise = torch.randn(3, 8, 7, generator=generator())
    assert torch.equal(policy.act({"instruction": "lift the cube"} | obs, noise), policy.act(obs, noise))
    assert torch.equal(policy.act(obs | {"robot0_eef_pos": obs["robot0_eef_pos"].double()}, noise), policy.act(obs, noise))
    with pytest.raises(KeyError, match="policy needs"):
        policy.act({}, noise)
