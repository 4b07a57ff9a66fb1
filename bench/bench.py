"""Speed, side by side: each figure of ours beside a plain reference loop in the same run, as a ratio.

    python bench/bench.py [--policy FOLDER] [--out bench/results.json] [--only loader ...]

The reference loops are what one writes first: one sample at a time from HDF5, the default optimiser, every frame rendered by the simulator's own camera
observables. Both sides do the same work on the same data; CPU seconds, not wall seconds, so a busy machine disturbs little. Ratios are what to quote.
"""
import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CAMERAS, LOW_DIM = ["agentview", "robot0_eye_in_hand"], dict(robot0_eef_pos=3, robot0_eef_quat=4, robot0_gripper_qpos=2)
CONFIG = dict(task="lift", cameras=CAMERAS, low_dim=LOW_DIM, image_size=84, crop_size=76, To=2, Tp=16, Ta=8, action_dim=7, render=dict(fast=True, thin=0.1),
              encoder=dict(name="SSPool", width=16, num_kp=32), objective=dict(name="FM", num_steps=10),
              unet=dict(down_dims=[64, 128, 256], step_embed_dim=128, kernel_size=5, n_groups=8))
TRAIN = dict(steps=24, batch_size=64, lr=3e-4, betas=[0.95, 0.999], eps=1e-8, weight_decay=1e-6, warmup_steps=10, ema_power=0.75, grad_clip=None,
             checkpoint_every=1000, log_every=1000, threads=1, precision="float32")


def cpu_seconds(work) -> float:
    "CPU seconds of this process and of the children that it waits for, while `work()` runs."
    def now():
        return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

    before = now()
    work()
    return now() - before


def make_data(folder: Path) -> Path:
    "Six demonstrations of Lift with images: enough to time on."
    from prism_repro.demos.collect import collect
    from prism_repro.demos.observe import render_observations
    from prism_repro.envs.rendering import RenderSettings

    collect("lift", 6, folder / "demonstrations.hdf5", workers=2)
    render_observations(folder / "demonstrations.hdf5", folder / "observations.hdf5", cameras=CAMERAS, size=84, render=RenderSettings(), workers=2)
    return folder / "observations.hdf5"


# -- loader ------------------------------------------------------------------------------------------------------------------------------------------

def loader(data: Path, **_) -> dict:
    "Samples per CPU-second: two cameras, two frames, random crop 84 -> 76, float32, contiguous."
    from prism_repro.data.crops import random_crop
    from prism_repro.data.windows import Windows, batch_indices

    windows = Windows.load(data, CAMERAS, LOW_DIM, To=2, Tp=16, Ta=8, split="train")

    def ours(batches=60, B=64):
        for step in range(batches):
            index, rng = batch_indices(len(windows), B, 0, step), np.random.default_rng(step)
            for camera in CAMERAS:
                random_crop(windows.arrays[camera], 76, rng, windows.rows(index))
            windows.gather(index, [*LOW_DIM, "actions"])
        return batches * B

    def plain(samples=2000):
        import h5py
        import torch

        rng = np.random.default_rng(0)
        with h5py.File(data) as f:
            names = sorted(f["data"])
            for _ in range(samples):
                demo = f["data"][names[rng.integers(len(names))]]
                t = int(rng.integers(1, len(demo["actions"]) - 16))
                for camera in CAMERAS:
                    frames = torch.from_numpy(demo[f"obs/{camera}_image"][t - 1 : t + 1]).permute(0, 3, 1, 2).float() / 255
                    y, x = rng.integers(0, 9, size=2)
                    frames[:, :, y : y + 76, x : x + 76].contiguous()
                for key in LOW_DIM:
                    torch.from_numpy(demo[f"obs/{key}"][t - 1 : t + 1]).float()
                torch.from_numpy(demo["actions"][t : t + 16]).float()
        return samples

    return rates("samples per CPU-second", ours, plain)


# -- training ----------------------------------------------------------------------------------------------------------------------------------------

def training(data: Path, folder: Path, precision: str = "float32", **_) -> dict:
    """Samples per CPU-second of a whole training run (batch 64, width 16, UNet (64,128,256)), its start, log and checkpoint included.

    The reference has the same network in float32, torch's default optimiser, a batch put together sample by sample and the average in a Python loop.
    """
    import torch

    from prism_repro.data.windows import Windows
    from prism_repro.policies.policy import Policy
    from prism_repro.training.loop import train

    windows = Windows.load(data, CAMERAS, LOW_DIM, To=2, Tp=16, Ta=8, split="train")
    torch.set_num_threads(1)
    runs = iter(range(100))

    def ours():
        train(CONFIG, TRAIN | dict(precision=precision), windows, folder / f"{precision}{next(runs)}", 0, progress=False)
        return TRAIN["steps"] * 64

    def plain():
        import copy

        torch.manual_seed(0)
        policy = Policy.from_config(CONFIG)
        policy.normalizer.fit(windows)
        ema, rng, generator = copy.deepcopy(policy), np.random.default_rng(0), torch.Generator().manual_seed(0)
        optimizer = torch.optim.AdamW(policy.parameters(), lr=3e-4, foreach=False)
        for _ in range(TRAIN["steps"]):
            items = [windows.gather(np.array([i])) for i in rng.integers(len(windows), size=64)]
            batch = {k: torch.from_numpy(np.concatenate([i[k] for i in items])) for k in items[0]}
            for camera in CAMERAS:
                images = batch[camera].permute(0, 1, 4, 2, 3).float() / 255
                y, x = rng.integers(0, 9, size=2)
                batch[camera] = images[..., y : y + 76, x : x + 76]
            policy.loss(batch, generator).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            with torch.no_grad():
                for slow, fast in zip(ema.parameters(), policy.parameters()):
                    slow.mul_(0.999).add_(fast, alpha=0.001)
        return TRAIN["steps"] * 64

    return rates("samples per CPU-second", ours, plain, rounds=2)


def training_bfloat16(**given) -> dict:
    "The same with our bfloat16 option, against the same float32 reference."
    return training(**given, precision="bfloat16")


# -- rollouts ----------------------------------------------------------------------------------------------------------------------------------------

def rollouts(policy: Path, episodes: int = 24, horizon: int = 400, **_) -> dict:
    "Episodes per CPU-minute with the same policy, seeds, horizon and stop at success, start of the processes included; and the ratio of wall times."
    from prism_repro.evaluation.rollouts import rollouts as run

    seeds, wall = list(range(200_000, 200_000 + episodes)), {}

    def timed(name, work):
        started = time.perf_counter()
        work()
        wall[name] = time.perf_counter() - started
        return episodes

    result = rates("episodes per CPU-minute", lambda: timed("ours", lambda: run(policy, seeds, workers=2, horizon=horizon, progress=False)),
                   lambda: timed("plain", lambda: plain_rollouts(policy, seeds, horizon)), per=60, rounds=1)
    return result | dict(wall_ratio=round(wall["plain"] / wall["ours"], 2), wall_note="two worker processes against one process")


def plain_rollouts(policy: Path, seeds, horizon: int) -> int:
    "robosuite as its own examples run it: one process, camera observables on, default rendering, the policy reads every eighth observation pair."
    import logging

    import robosuite

    from prism_repro.evaluation.rollouts import PolicyActor, episode_noise, stack_history

    logging.getLogger("robosuite_logs").setLevel(logging.ERROR)
    actor = PolicyActor(policy)
    env = robosuite.make("Lift", robots="Panda", has_renderer=False, has_offscreen_renderer=True, use_camera_obs=True, use_object_obs=True,
                         camera_names=CAMERAS, camera_heights=84, camera_widths=84, control_freq=20, ignore_done=True, reward_shaping=False)
    for seed in seeds:
        env.rng = np.random.default_rng(seed)
        raw, history, done, step = env.reset(), [], False, 0
        while step < horizon and not done:
            images = {c: np.ascontiguousarray(raw[f"{c}_image"][::-1]) for c in CAMERAS}
            history = (history + [images | {k: np.asarray(raw[k], np.float32) for k in LOW_DIM}])[-2:]
            if step % 8 == 0:
                chunk = actor.act(stack_history(history, 2), episode_noise(seed, step // 8, (16, 7)))
            raw = env.step(np.clip(chunk[step % 8], -1, 1))[0]
            done, step = bool(env._check_success()), step + 1
    env.close()


# -- latency -----------------------------------------------------------------------------------------------------------------------------------------

def latency(policy: Path, repeats: int = 20, **_) -> dict:
    "Chunks per CPU-second at batch one: 10 Euler steps on a once-encoded observation, against encoding again before every one of the network's calls."
    import torch

    from prism_repro.evaluation.rollouts import PolicyActor, episode_noise

    actor, rng = PolicyActor(policy), np.random.default_rng(0)
    observation = {c: rng.integers(0, 256, (2, 84, 84, 3), dtype=np.uint8) for c in CAMERAS} | {k: np.zeros((2, d), np.float32) for k, d in LOW_DIM.items()}
    noise, N = episode_noise(0, 0, (16, 7)), actor.config["objective"]["num_steps"]

    def ours():
        for _ in range(repeats):
            actor.act(observation, noise)
        return repeats

    def plain():
        p = actor.policy
        batch = {k: torch.as_tensor(actor.center_crop(v[None], 76) if k in CAMERAS else v[None]) for k, v in observation.items()}
        for _ in range(repeats):
            x = torch.from_numpy(noise[None])
            for n in range(N):  # autograd on, observation encoded inside the loop
                x = x + p.unet(x, torch.full((1,), n / N * p.objective.time_scale), p.condition(batch)).detach() / N
        return repeats

    result = rates("chunks per CPU-second", ours, plain)
    return result | dict(milliseconds_a_chunk=round(1000 / result["ours"], 1))


# -- the table ---------------------------------------------------------------------------------------------------------------------------------------

def rates(unit: str, ours, plain, per: float = 1, rounds: int = 3) -> dict:
    "Run both sides in turn, `rounds` times; the ratio is the median of the rounds' ratios. Each side returns how many units it did."
    table = []
    for _ in range(rounds):
        pair = []
        for work in (ours, plain):
            done = []
            seconds = cpu_seconds(lambda: done.append(work()))
            pair.append(per * done[0] / seconds)
        table.append(pair)
    mine, other = np.median(table, axis=0)
    return dict(unit=unit, ours=round(float(mine), 2), plain=round(float(other), 2), ratio=round(float(np.median([a / b for a, b in table])), 2),
                ratios=[round(a / b, 2) for a, b in table])


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, help="a trained policy for rollouts and latency; default: random weights of the same size")
    parser.add_argument("--out", type=Path, default=Path("bench/results.json"))
    parser.add_argument("--only", nargs="*", default=["loader", "training", "training_bfloat16", "rollouts", "latency"])
    args = parser.parse_args(argv)
    os.environ.setdefault("MUJOCO_GL", "egl")
    results = {}
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        data, policy = make_data(folder), args.policy
        if policy is None:
            import torch

            from prism_repro.policies.policy import Policy

            torch.manual_seed(0)
            policy = folder / "random"
            Policy.from_config(CONFIG).save_pretrained(policy)
        for name in args.only:
            results[name] = globals()[name](data=data, folder=folder, policy=policy)
            r = results[name]
            more = f"   in wall time {r['wall_ratio']} ({r['wall_note']})" if "wall_ratio" in r else ""
            print(f"{name:<18}{r['ours']:>12} {r['unit']:<26} plain loop {r['plain']:>10}   ratio {r['ratio']:>7}  {r['ratios']}{more}", flush=True)
    args.out.write_text(json.dumps(dict(policy=str(args.policy.name) if args.policy else "random weights", cores=os.cpu_count(), results=results), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
