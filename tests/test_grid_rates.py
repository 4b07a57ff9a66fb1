"""Tests of nbs/grid/67_rates.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import copy
import json

import pytest

from prism_repro.grid.rates import Rate, episode_steps, from_record, keep_rate, machine_name, measure_rollouts, measure_training, nearest, read_rates, rollouts_key, training_key

CONFIG = {
    "task": "lift_wide", "cameras": ["agentview"], "crop_size": 36, "image_size": 40, "To": 1, "Tp": 8, "Ta": 4, "action_dim": 7, "actions": "delta", "render": {"fast": True, "thin": 0.1},
    "low_dim": {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2}, "encoder": {"name": "SSPool", "width": 8},
    "unet": {"down_dims": [8, 16], "step_embed_dim": 8, "kernel_size": 3, "n_groups": 4}, "objective": {"name": "FM", "num_steps": 2},
    "training": {"steps": 100, "batch_size": 4, "warmup_steps": 2, "threads": 1}, "seeds": [0, 1], "rollouts": {"episodes": 5, "first_seed": 100000, "horizon": 20},
}  # fmt: skip


def with_(**parts) -> dict:
    return copy.deepcopy(CONFIG) | parts


def test_rates_follow_from_the_notes():
    notes = {"machine": "Linux x86_64, 2 cores", "training_cpu_seconds": 50.0, "seconds": 45.0}
    training, rollouts = from_record({"config": CONFIG}, notes, "r")
    assert training.seconds == 50 / 200 and rollouts.seconds == pytest.approx((45 - 25) * 2 / 200)  # two seeds side by side took 25 s
    assert from_record({"config": CONFIG}, notes | {"seconds": 10.0}, "r")[1].seconds == 10 * 2 / 200  # the policies were there already
    assert from_record({"config": CONFIG}, notes | {"rollouts_seconds": 8.0}, "r")[1].seconds == 8 * 2 / 200
    assert from_record({"config": with_(seeds=[0])}, notes | {"seconds": 80.0}, "r")[1].seconds == 30 * 2 / 100
    assert episode_steps(CONFIG) == 2 * 5 * 20 and episode_steps(with_(task="libero_10", training={"steps": 9, "snapshots": [3, 6]})) == 10 * 3 * 2 * 5 * 20
    assert from_record({"config": CONFIG}, {"machine": "?"}, "r") == []


def test_what_changes_the_cost_manyfold_has_to_agree():
    must, may = training_key(CONFIG)
    rates = [Rate("training", must, may | {"machine": machine_name()}, 1.0, "a"), Rate("training", must, {**may, "encoder name": "PRISM", "machine": machine_name()}, 3.0, "b"),
             Rate("training", must, may | {"machine": "another"}, 100.0, "c")]
    assert nearest(rates, "training", must, may) == (1.0, "a")
    assert nearest(rates, "training", must, {**may, "encoder name": "PRISM"}) == (3.0, "b")
    seconds, text = nearest(rates, "training", must, {**may, "encoder name": "TDCA"})
    assert seconds == 2.0 and "median of 2" in text and "encoder name" in text
    assert nearest(rates[2:], "training", must, may) == (100.0, "c (differs in machine)")
    changes = [dict(crop_size=76), dict(To=2), dict(cameras=["a", "b"]), dict(encoder={"name": "SSPool"}), dict(objective={"name": "MF"}), dict(unet={}), dict(training={**CONFIG["training"], "batch_size": 8})]
    assert all(nearest(rates, "training", training_key(with_(**change))[0], may) is None for change in changes)
    assert training_key(with_(objective={"name": "DP", "num_steps": 100}))[0] == must  # as dear to train, but not to roll out
    assert rollouts_key(with_(objective={"name": "DP", "num_steps": 100}))[0] != rollouts_key(CONFIG)[0] and nearest(rates, "rollouts", must, may) is None


def test_measured_rates_are_kept_and_replaced(tmp_path):
    must, may = training_key(CONFIG)
    for seconds in (1.0, 2.0):
        keep_rate(Rate("training", must, may, seconds, "measured"), tmp_path)
        keep_rate(Rate("training", must | {"To": 2}, may, 5.0, "measured"), tmp_path)
    assert [rate.seconds for rate in read_rates(tmp_path)] == [2.0, 5.0] and nearest(read_rates(tmp_path), "training", must, may)[0] == 2.0


def test_damaged_notes_are_passed_over(tmp_path):
    folder = tmp_path / "results/p/records"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps({"kind": "rollouts", "config": CONFIG}))
    (folder / "a.machine.json").write_text(json.dumps({"machine": "Linux x86_64, 2 cores", "seconds": 10, "training_cpu_seconds": 1}))
    for name, text in {"b": "{", "c": "[]", "d": '{"kind": "rollouts"}'}.items():
        (folder / f"{name}.json").write_text(text)
        (folder / f"{name}.machine.json").write_text("{}")
    assert {rate.source for rate in read_rates(tmp_path)} == {"results/p/records/a.json"}


def test_training_steps_are_timed():
    import torch

    threads = torch.get_num_threads()
    rate = measure_training(CONFIG, seconds=0.2)
    assert 0 < rate.seconds < 1 and rate.must == training_key(CONFIG)[0] | {"device": "cpu"} and torch.get_num_threads() == threads


@pytest.mark.slow
@pytest.mark.gl
def test_rollouts_are_timed():
    rate = measure_rollouts(CONFIG)
    assert 1e-4 < rate.seconds < 2 and rate.must["task"] == "lift_wide"
