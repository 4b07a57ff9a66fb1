"""Tests of nbs/results/84_hyperparameters.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from pathlib import Path

import pytest
import yaml

from prism_repro.paper.settings import PARAMETERS, parameters
from prism_repro.profiles import read_profile
from prism_repro.results.hyperparameters import FACTS, OF_OBJECTIVE, VALUES, code_defaults, compare, hyperparameter_sheet, in_force
from prism_repro.results.sheets import write_sheet

ROOT = Path(__file__).resolve().parents[1]
PAPER = dict(  # a profile with the values that are taken as the paper's
    profile="p", observations=dict(lift=dict(image_size=84)), common=dict(
        task="lift", To=2, Tp=16, Ta=8, crop_size=76, encoder=dict(name="SSPool"), unet=dict(down_dims=[256, 512, 1024], step_embed_dim=128, kernel_size=5, n_groups=8),
        train=dict(steps=50_000, ema_power=0.75), seeds=[0, 1, 2]), cells={name: dict(objective=dict(name=name)) for name in ("DP", "FM", "MF")})  # fmt: skip


def row(table, name, group=""):
    return next(p for p in parameters(table) if (p.group, p.row) == (group, name))


def test_every_row_is_looked_up_or_a_fact_and_nothing_else_is():
    have = set(FACTS) | {(t, "", r) for t, rows in VALUES.items() for r in rows} | {("table_12", *key) for key in OF_OBJECTIVE}
    assert have == {p.place for p in PARAMETERS}


def test_the_papers_own_values_differ_nowhere_but_where_we_say():
    cells = in_force(PAPER)
    found = {p.place[1:]: compare(p, cells) for p in PARAMETERS}
    assert {place for place, (_, _, count) in found.items() if count} == {("", "Rollout / checkpoint interval"), ("MF", "EMA decay")}
    assert found["MF", "Sampling ratio"][0] == "0.75" and found["DP", "Inference steps"][0] == "100" and found["", "Betas"][0] == "0.95, 0.999"


@pytest.mark.parametrize("change, place, text", [
    (dict(train=dict(lr=1e-3)), ("table_8", "Learning rate", ""), "0.001"), (dict(train=dict(snapshots=[100, 50_000])), ("table_8", "Rollout / checkpoint interval", ""), "after 2 of 50000 steps"),
    (dict(crop_size=84), ("table_10", "Random crop", ""), "disabled"), (dict(objective=dict(num_steps=4)), ("table_12", "Inference", "MF"), "4 steps"),
    (dict(task="libero_10"), ("table_10", "Low-dimensional state", ""), "265"), (dict(encoder=dict(num_kp=192)), ("table_10", "Keypoints of SSPool", ""), "192"),
])  # fmt: skip
def test_a_changed_setting_is_flagged(change, place, text):
    params = PAPER | dict(cells={"MF": dict(objective=dict(name="MF")) | change | (dict(objective=dict(name="MF", **change["objective"])) if "objective" in change else {})})
    assert compare(row(*place), in_force(params)) == (text, "yes", 1)


def test_an_objective_without_cells_is_not_run_and_ddim_is_told():
    cells = in_force(PAPER | dict(cells={"DP": dict(objective=dict(name="DP", sampler="DDIM", num_steps=10))}))
    assert compare(row("table_12", "Inference steps", "FM"), cells) == ("not run", "-", 0) and compare(row("table_12", "Integrator", "FM"), cells)[0] == "not run"
    assert compare(row("table_12", "Noise scheduler", "DP"), cells) == ("DDIMScheduler", "yes", 1)
    empty = hyperparameter_sheet("p", dict(profile="p", cells={}), "table_9")
    assert {r[4] for r in empty.rows} == {"not run"}


def test_facts_are_facts():
    "What the table calls fixed is looked at in real networks."
    import inspect

    import torch
    from prism_repro.policies import ddpm, flow_matching, meanflow
    from prism_repro.policies.policy import Policy
    from prism_repro.training import loop, settings

    config = dict(cameras=["a", "b"], low_dim=dict(x=9), image_size=84, crop_size=76, To=1, Tp=16, Ta=8, action_dim=7, encoder=dict(name="SSPool", width=32), objective=dict(name="FM"),
                  unet=dict(down_dims=[16, 32], step_embed_dim=16, kernel_size=3, n_groups=4))
    policy = Policy.from_config(config, seed=0)
    encoder = policy.encoder.encoders["a"]
    norms = [m for m in encoder.backbone.modules() if isinstance(m, torch.nn.GroupNorm)]
    assert len(norms) == 20 and {m.num_channels // m.num_groups for m in norms} == {16} and not any(isinstance(m, torch.nn.BatchNorm2d) for m in policy.modules())
    assert all(p.requires_grad for p in policy.parameters()) and policy.encoder.encoders["b"] is not encoder  # trained end-to-end, a copy a camera
    block = next(m for m in policy.unet.modules() if type(m).__name__ == "ConditionalResidualBlock1D")
    assert block.cond_encoder[1].out_features == 2 * block.blocks[0].block[0].out_channels  # scale and shift
    source = inspect.getsource(loop)
    assert "AdamW(" in source and "accumul" not in source.lower()
    lr = [settings.learning_rate(step, dict(steps=100, lr=1.0, warmup_steps=0)) for step in (0, 50, 100)]
    assert lr[0] == 1 and abs(lr[1] - 0.5) < 1e-9 and lr[2] < 1e-9  # half a cosine
    still = lambda x, t, cond: torch.ones_like(x)
    assert torch.allclose(flow_matching.FlowMatching(num_steps=3).sample(still, None, torch.zeros(1, 16, 7)), torch.ones(1, 16, 7))  # Euler: three calls, a third each
    t = meanflow.MeanFlow(ratio=1.0, P_mean_r=10.0).draw(20000, torch.Generator().manual_seed(0))[:, 0]
    assert abs(torch.logit(t.double()).mean() + 0.6) < 0.05 and abs(torch.logit(t.double()).std() - 1.6) < 0.05  # logit-normal
    assert abs(ddpm.squared_cosine(100)[49] - 0.49) < 0.02  # squared cosine


def test_defaults_are_those_of_the_classes():
    from prism_repro.policies.ddpm import DDPM
    from prism_repro.policies.meanflow import MeanFlow

    assert all(getattr(MeanFlow(), key) == value for key, value in code_defaults("prism_repro.policies.meanflow", "MeanFlow").items())
    assert code_defaults("prism_repro.policies.ddpm", "DDPM") == dict(train_steps=DDPM().train_steps, num_steps=DDPM().num_steps, sampler=DDPM().sampler, clip=DDPM().clip)
    for module in ("prism_repro.policies.ddpm", "prism_repro.policies.nowhere"):
        with pytest.raises(ValueError, match=f"no class Nothing in {module}"):
            code_defaults(module, "Nothing")


@pytest.mark.parametrize("profile", ["lite", "lift", "tasks"])
def test_real_profiles_make_all_five_tables(profile, tmp_path):
    params = read_profile(ROOT, profile)
    for number in range(8, 13):
        sheet = hyperparameter_sheet(profile, params, f"table_{number}")
        first = [p.read_bytes() for p in write_sheet(tmp_path, profile, sheet)]
        assert first == [p.read_bytes() for p in write_sheet(tmp_path, profile, hyperparameter_sheet(profile, params, f"table_{number}"))]
        assert all(len(r) == len(sheet.header) for r in sheet.rows) and b"booktabs" in first[2]
