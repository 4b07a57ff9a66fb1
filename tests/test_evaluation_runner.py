"""Tests of nbs/evaluation/71_runner.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import math
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from prism_repro.evaluation.guards import StaleObservation, UnsafeAction
from prism_repro.evaluation.rollouts import PolicyActor, _sha256, observe, run_episode
from prism_repro.evaluation.runner import LateChunk, PolicyRunner

POLICY = Path(__file__).parent / "fixtures" / "lift_policy"


def execute(runner, env, seed, steps):
    "Run one episode; return the hashes of its actions and of the final state, as `run_episode` does."
    env.reset(seed), runner.reset(seed)
    actions = []
    for _ in range(steps):
        actions.append(runner.act(observe(env, runner.config)))
        env.step(actions[-1])
    return dict(actions_sha256=_sha256(np.array(actions)), final_state_sha256=_sha256(env.get_state()))


@pytest.mark.gl
def test_the_runner_executes_an_episode_to_the_bit():
    from prism_repro.envs.robosuite import RobosuiteEnv

    actor, env = PolicyActor(POLICY), RobosuiteEnv("lift")
    try:
        expected = run_episode(actor, env, 100000, horizon=28)
        with PolicyRunner(actor, background=False, max_frozen=math.inf) as runner:
            found = execute(runner, env, 100000, expected["length"])
            assert found == {key: expected[key] for key in found}
            other = execute(runner, env, 100001, 4)
        with PolicyRunner(POLICY, lead=3, on_late="wait", max_frozen=math.inf) as runner:
            early = [execute(runner, env, 100000, expected["length"]) for _ in range(2)]
            assert runner.stats["chunks"] == 6  # made at steps 0, 5, 10, 15, 20, 25
    finally:
        env.close()
    assert early[0] == early[1] != found, "with a lead it repeats, and acts on other observations"
    assert other["actions_sha256"] != found["actions_sha256"]


class World:
    "The state counts the steps; drawn into every pixel."
    t = 0
    def reset(self, seed): self.t = 0
    reset_evaluation = reset
    def step(self, action): self.t += 1
    def success(self): return False
    def low_dim(self): return {"x": np.array([float(self.t)])}
    def render(self, camera, size): return np.full((size, size, 3), self.t, np.uint8)
    def get_state(self): return np.array([float(self.t)])


class Fake:
    "Predicts the steps to come, and some noise where it is asked for."

    def __init__(self, To=2, Ta=8, noisy=0.0, act=None):
        self.config = dict(cameras=["top"], low_dim={"x": 1}, image_size=8, To=To, Tp=16, Ta=Ta, action_dim=2)
        self.noisy, self.instead = noisy, act

    def act(self, observation, noise):
        if self.instead:
            return self.instead(observation)
        assert observation["x"].shape == (self.config["To"], 1) and observation["top"].shape == (self.config["To"], 8, 8, 3)
        now = observation["x"][-1, 0] + 1e-3 * observation["x"][0, 0] + self.noisy * noise[0, 0]
        return np.stack([now + np.arange(self.config["Ta"]), observation["top"][0, 0, 0, 0] * np.ones(self.config["Ta"])], axis=1) / 1000


def runner_of(policy, **settings):
    return PolicyRunner(policy, **{"lead": 2, "max_frozen": math.inf, **settings})


def raw(t):
    return {"top": np.full((8, 8, 3), t, np.uint8), "x": np.array([t])}


@pytest.mark.parametrize("To, Ta", [(1, 8), (2, 8), (3, 2), (4, 1)])
def test_history_and_noise_are_those_of_rollouts(To, Ta):
    world, policy = World(), Fake(To, Ta, noisy=1.0)
    expected = run_episode(policy, world, 7, horizon=21)
    with runner_of(policy, lead=None, background=False) as runner:
        assert execute(runner, world, 7, 21)["actions_sha256"] == expected["actions_sha256"]
        assert execute(runner, world, 8, 21)["actions_sha256"] != expected["actions_sha256"]


def check_alignment(runner, shift=0):
    sent = [runner.act(raw(t))[0] * 1000 for t in range(30)]
    np.testing.assert_allclose(sent, np.arange(30) + shift, atol=0.05)


@pytest.mark.parametrize("lead", [0, 1, 2, 4])
def test_actions_are_executed_at_the_step_they_are_meant_for(lead):
    with runner_of(Fake(To=1), lead=lead, on_late="wait") as runner:
        check_alignment(runner)
        assert runner.stats["late"] == 0

    class Broken(Fake):
        def act(self, observation, noise): return np.roll(super().act(observation, noise), lead, axis=0)

    if lead:
        with runner_of(Broken(To=1), lead=lead, on_late="wait") as runner, pytest.raises(AssertionError):
            check_alignment(runner)


class Gate:
    "Stops the worker where the test wants it to."

    def __init__(self):
        self.open, self.calls = threading.Event(), 0
        self.open.set()

    def __call__(self, observation):
        self.open.wait(10)
        self.calls += 1
        return np.stack([observation["x"][-1, 0] + np.arange(8.0), np.full(8, 1000.0)], axis=1) / 1000


def settle(runner):
    "Let the worker finish, without looking at a clock."
    if runner.chunks.job:
        try:
            runner.chunks.job.result(10)
        except Exception:
            pass


def test_a_late_chunk_holds_the_arm_and_the_plan_goes_on():
    gate = Gate()
    with runner_of(Fake(act=gate)) as runner:
        settle(runner)
        sent = [runner.act(raw(t)) for t in range(6)]
        gate.open.clear()
        sent += [runner.act(raw(t)) for t in (6, 7)]  # 6 starts the next chunk, which does not come
        held = [runner.act(raw(t)) for t in (8, 9, 10)]
        assert [a.tolist() for a in held] == [[0, 1]] * 3 and runner.stats["late"] == 3
        gate.open.set()
        settle(runner)
        sent += [runner.act(raw(t)) for t in (11, 12)]
        np.testing.assert_allclose([1000 * a[0] for a in sent], range(10))  # as if nothing had happened: steps, not ticks
        assert [t.held for t in runner.trace] == [""] * 8 + ["late"] * 3 + [""] * 2


@pytest.mark.parametrize("settings, expected", [(dict(hold="repeat"), [0.007, 1]), (dict(gripper=()), [0, 0]), (dict(gripper=(0,)), [0.007, 0])])
def test_what_holding_means(settings, expected):
    gate = Gate()
    with runner_of(Fake(act=gate), **settings) as runner:
        [runner.act(raw(t)) for t in range(6)]
        gate.open.clear()
        [runner.act(raw(t)) for t in (6, 7)]
        action = runner.act(raw(8))
        gate.open.set()
        np.testing.assert_allclose(action, expected)
        action[:] = 99  # the caller's own copy
        np.testing.assert_allclose([t.action for t in runner.trace], [[t / 1000, 1] for t in range(8)] + [expected])


def test_a_late_chunk_raises_when_asked_to():
    gate = Gate()
    with runner_of(Fake(act=gate), on_late="raise") as runner:
        [runner.act(raw(t)) for t in range(6)]
        gate.open.clear()
        [runner.act(raw(t)) for t in (6, 7)]
        with pytest.raises(LateChunk, match="lead=2 leaves 100 ms"):
            runner.act(raw(8))
        gate.open.set()
        settle(runner)
        assert runner.act(raw(9))[0] == 0.008


def test_failures_in_the_background_surface_with_their_cause():
    gate, calls = Gate(), []

    def fail(observation):
        calls.append(1)
        if len(calls) > 6:  # five to warm up, the first chunk
            raise ZeroDivisionError("a sensor")
        return gate(observation)

    with runner_of(Fake(act=fail)) as runner:
        [runner.act(raw(t)) for t in range(7)]
        settle(runner)
        for _ in range(2):  # and it stays so
            with pytest.raises(RuntimeError, match="chunk 1, made from the observation of step 6: a sensor") as caught:
                runner.act(raw(7))
            assert isinstance(caught.value.__cause__, ZeroDivisionError)
        calls.clear()
        runner.reset()
        assert runner.act(raw(0))[0] == 0


@pytest.mark.parametrize("answer, error, message", [
    (np.full((8, 2), np.nan), UnsafeAction, "16 of 16 numbers are not finite"), (np.zeros((7, 2)), RuntimeError, r"shape \[7, 2\], expected \[Ta, Da\] = \[8, 2\]")])
def test_chunks_that_are_not_actions_are_refused(answer, error, message):
    policy = Fake()
    with runner_of(policy, background=False, lead=None) as runner:
        policy.instead = lambda observation: answer
        for _ in range(2):
            with pytest.raises(error, match=message):
                runner.act(raw(0))
        policy.instead = None
        runner.reset()
        assert runner.act(raw(0)) is not None


@pytest.mark.parametrize("settings, message", [
    (dict(limit=math.nan), "limit=nan: expected a number of at least 0"), (dict(limit=None), "limit=None"), (dict(limit=-1), "limit=-1"), (dict(limit=[1, 1, 1]), r"limit=\[1, 1, 1\].*for each of 2"),
    (dict(max_jump=math.nan), "max_jump=nan"), (dict(max_jump=[0.1, -0.1]), "max_jump="), (dict(gripper=[2]), r"gripper=\[2\]: actions have the components 0 to 1"), (dict(hz=0), "hz=0: expected ticks"), (dict(hz=-20), "hz=-20")])
def test_settings_that_would_send_nonsense_are_refused(settings, message):
    "clip(x, nan, nan) is nan, clip(x, 1, -1) is -1 whatever x is: both would reach the arm."
    with pytest.raises(ValueError, match=message):
        runner_of(Fake(), **settings)


def test_a_policy_of_poses_is_given_limits_of_its_own():
    policy, settings = Fake(), dict(hold="repeat", limit=[1.5, 1.5])
    policy.config["actions"] = "absolute"
    with pytest.raises(ValueError, match="max_jump=None is meant for displacements"):
        runner_of(policy, **settings)
    runner_of(policy, max_jump=0.1, **settings).close()


def test_what_is_no_policy_is_named(tmp_path):
    for wrong in (None, {}):
        with pytest.raises(ValueError, match="cannot act: pass the folder"):
            PolicyRunner(wrong)
    (tmp_path / "policy.json").write_text("{}")
    with pytest.raises(ValueError, match="pass OnnxPolicy"):
        PolicyRunner(str(tmp_path))


def test_limits_clip_and_count_or_raise():
    act = lambda observation: np.tile([1.3, -1.0], (8, 1))
    with runner_of(Fake(act=act), limit=0.5, max_jump=0.2, on_late="wait") as runner:
        sent = np.array([runner.act(raw(t)) for t in range(3)])
        assert sent.tolist() == [[0.5, -1.0]] * 3 and runner.stats["clipped"] == 3
    with runner_of(Fake(act=act), limit=[0.4, 0.3], on_late="wait") as runner:
        assert runner.act(raw(0)).tolist() == [0.4, -0.3]
    ramp = lambda observation: np.stack([np.arange(8) / 8, [-1, 1] * 4], axis=1)
    with runner_of(Fake(act=ramp), max_jump=0.05, on_late="wait", lead=0) as runner:
        sent = np.array([runner.act(raw(t)) for t in range(8)])
        np.testing.assert_allclose(sent[:, 0], np.arange(8) * 0.05)
        assert sent[:, 1].tolist() == [-1, 1] * 4, "the gripper is a switch"
    with runner_of(Fake(act=act), on_limit="raise") as runner:
        with pytest.raises(UnsafeAction, match="nothing was sent"):
            runner.act(raw(0))
        assert not runner.trace and not runner.history


def test_stale_observations_stop_the_plan():
    now = [100.0]
    with runner_of(Fake(), on_late="wait", clock=lambda: now[0]) as runner:
        runner.act(raw(0), stamp=99.95)
        with pytest.raises(StaleObservation, match="150 ms old, and 100 ms are allowed"):
            runner.act(raw(1), stamp=99.85)
        assert runner.act(raw(50), stamp=100.0)[0] == pytest.approx(0.05, rel=2e-3), "a fresh start from the fresh observation"
    with runner_of(Fake(), on_late="wait", clock=lambda: now[0], on_stale="hold", max_frozen=0.15) as runner:
        sent = [runner.act(raw(min(t, 4))) for t in range(10)]
        assert [t.held for t in runner.trace] == [""] * 7 + ["stale"] * 3 and runner.stats["stale"] == 3
        assert sent[-1][0] == 0 and sent[-1][1] == sent[6][1]
        runner.reset()
        assert runner.act(raw(4))[0] != 0, "a new episode may begin with the picture of the old one"


def test_a_dry_run_returns_nothing_and_tells_everything(caplog):
    with runner_of(Fake(To=1), on_late="wait") as real, runner_of(Fake(To=1), on_late="wait", dry_run=True) as dry, caplog.at_level("INFO"):
        for t in range(12):
            real.act(raw(t))
            assert dry.act(raw(t)) is None
    assert [t.action.tolist() for t in real.trace] == [t.action.tolist() for t in dry.trace]
    assert len(caplog.records) == 12 and "dry run, tick 11: would send [0.011" in caplog.text


def test_the_driver_may_reuse_its_arrays():
    observation = raw(0)
    with runner_of(Fake(To=2), lead=0) as runner, runner_of(Fake(To=2), lead=0) as fresh:
        for t in range(20):
            observation["top"][:], observation["x"][:] = t, t
            assert np.array_equal(runner.act(observation), fresh.act(raw(t)))


class Clock:
    "Time passes only when somebody lets it."
    now = 10.0
    def __call__(self): return self.now
    def sleep(self, seconds): self.now += seconds


def test_the_rate_is_held_on_absolute_deadlines():
    clock, started, work = Clock(), [], iter([0.01] * 5 + [0.07] + [0.01] * 5 + [0.33] + [0.01] * 8)

    def read():
        started.append(clock())
        return raw(len(started)), clock()

    with runner_of(Fake(), on_late="wait", clock=clock, sleep=clock.sleep) as runner:
        report = runner.run(read, lambda action: clock.sleep(next(work)), steps=20)
    gaps = np.diff(started)
    np.testing.assert_allclose(gaps[[0, 1, 2, 3]], [0.06, 0.05, 0.05, 0.05])  # the count starts after the first tick
    np.testing.assert_allclose(gaps[[5, 6, 7]], [0.07, 0.03, 0.05])  # made up for
    np.testing.assert_allclose(gaps[[11, 12, 13]], [0.33, 0.05, 0.05], rtol=1e-6)  # no burst
    assert report["overruns"] == 2 and report["ticks"] == 20 and report["late"] == 0
    assert report["longest_tick_ms"] == pytest.approx(330)


def test_a_loop_ends_when_there_is_nothing_to_read_and_a_dry_run_sends_nothing():
    clock, readings, sent = Clock(), iter([raw(0), raw(1), None]), []
    with runner_of(Fake(), on_late="wait", dry_run=True, clock=clock, sleep=clock.sleep) as runner:
        assert runner.run(lambda: next(readings), sent.append)["ticks"] == 2
    assert not sent


def test_a_policy_that_is_too_slow_is_refused_before_anything_moves():
    clock = Clock()

    def slow(observation):
        clock.sleep(0.15)
        return np.zeros((8, 2))

    with pytest.raises(ValueError, match="takes 150 ms for a chunk and would need lead=5 at 20 Hz, but chunks of Ta=8 leave room for 0 to 4"):
        PolicyRunner(Fake(act=slow), clock=clock)
    with PolicyRunner(Fake(act=slow), hz=10, clock=clock) as runner:
        assert runner.lead == 3
    with pytest.raises(ValueError, match="asked for lead=5"):
        PolicyRunner(Fake(), lead=5)


def test_a_new_episode_waits_for_the_worker():
    "A policy that remembers must not be called with the last episode's observation after `reset`."
    gate = Gate()
    with runner_of(Fake(act=gate)) as runner:
        [runner.act(raw(t)) for t in range(6)]
        gate.open.clear()
        runner.act(raw(6))
        threading.Timer(0.05, gate.open.set).start()
        runner.reset()
        calls = gate.calls
        runner.act(raw(0))
        assert gate.calls == calls + 1 and runner.chunks.number == 1


def test_the_rate_is_the_one_of_training():
    policy = Fake()
    assert PolicyRunner(policy).hz == 20
    policy.config["hz"] = 10
    assert PolicyRunner(policy).hz == PolicyRunner(policy, 10).hz == 10
    with pytest.raises(ValueError, match="trained at 10 Hz and asked to run at 20"):
        PolicyRunner(policy, 20)


def test_choices_and_networks_are_refused_with_a_sentence():
    import torch

    with pytest.raises(ValueError, match="on_late='skip': choose one of hold, raise, wait"):
        PolicyRunner(Fake(), on_late="skip")
    with pytest.raises(ValueError, match="needs background=True"):
        PolicyRunner(Fake(), background=False, lead=2)
    with pytest.raises(ValueError, match="Pass the folder"):
        PolicyRunner(torch.nn.Linear(2, 2))


def test_the_runner_needs_no_torch_of_its_own():
    "A robot's computer may run an exported policy with onnxruntime alone."
    import subprocess
    import sys

    code = "import sys, prism_repro.evaluation.runner; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_nothing_acts_after_close():
    runner = runner_of(Fake())
    runner.close()
    with pytest.raises(RuntimeError):
        runner.act(raw(0))
