"""Training steps per second, loader included: every head with every objective, through the training loop's own functions.

    python bench/throughput.py [--sizes lite paper] [--heads SSPool ...] [--objectives FM ...] [--out bench/throughput.json]

`lite` (encoder width 16, UNet 64 128 256, float32) runs on one CPU thread and counts CPU seconds, so a busy machine disturbs little. `paper` (width 64, UNet
256 512 1024, bfloat16) needs CUDA and counts seconds of the clock; without a GPU it is left out. Both: batch 64, two cameras, two frames, 84 px cropped to 76.
The windows are synthetic (random bytes, 8 episodes of 100 steps): no time depends on what a picture shows. Sizes that were not run keep their entry in the file.

For each pair: `steps_per_second` of the loop as it trains; `batch_ms`, making one batch and handing it to the device; `update_ms`, one optimiser step on a batch
that is there. On CUDA `launch_ms` is the host's part of an update that begins on an idle device, until its last kernel is queued: where it is about as long as the
update, the host is what limits, not the GPU.
"""
import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch

CAMERAS, LOW_DIM = ["agentview", "robot0_eye_in_hand"], dict(robot0_eef_pos=3, robot0_eef_quat=4, robot0_gripper_qpos=2)
HEADS = ["SSPool", "AvgPool", "MaxPool", "NoPool", "MS-SSPool", "TDCA", "PRISM"]
OBJECTIVES = {"DP": dict(name="DP"), "FM": dict(name="FM"), "MF": dict(name="MF")}
SIZES = {
    "lite": dict(device="cpu", precision="float32", width=16, down_dims=[64, 128, 256], steps=3, warmup=1),
    "paper": dict(device="cuda", precision="bfloat16", width=64, down_dims=[256, 512, 1024], steps=100, warmup=20),
}
BATCH, To, Tp, Ta = 64, 2, 16, 8


def synthetic_windows(episodes: int = 8, length: int = 100):
    "Windows over random bytes and numbers, in memory as the loop has them."
    from prism_repro.data.windows import Windows

    rng, n = np.random.default_rng(0), episodes * length
    arrays = {camera: rng.integers(0, 256, (n, 84, 84, 3), dtype=np.uint8) for camera in CAMERAS}
    arrays |= {key: rng.standard_normal((n, d), dtype=np.float32) for key, d in {**LOW_DIM, "actions": 7}.items()}
    return Windows(arrays, [f"demo_{i}" for i in range(episodes)], [length] * episodes, To=To, Tp=Tp, Ta=Ta)


def policy_config(head: str, objective: str, size: dict) -> dict:
    encoder = dict(name=head, width=size["width"])
    unet = dict(down_dims=size["down_dims"], step_embed_dim=128, kernel_size=5, n_groups=8)
    return dict(task="lift", cameras=CAMERAS, low_dim=LOW_DIM, image_size=84, crop_size=76, To=To, Tp=Tp, Ta=Ta, action_dim=7,
                encoder=encoder, unet=unet, objective=OBJECTIVES[objective])


def make_run(config: dict, windows, size: dict):
    from prism_repro.policies.policy import Policy
    from prism_repro.training.loop import Run
    from prism_repro.training.settings import resolve

    policy = Policy.from_config(config, seed=0)
    policy.normalizer.fit(windows)
    return Run(policy, resolve(dict(steps=10_000, batch_size=BATCH, warmup_steps=1, precision=size["precision"])), size["device"])


def measure(head: str, objective: str, size: dict, windows) -> dict:
    "Time the loop, and its two parts by themselves."
    from prism_repro.training.batches import make_batch, noise_generator

    config, cuda = policy_config(head, objective, size), size["device"] == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    run = make_run(config, windows, size)
    finish = torch.cuda.synchronize if cuda else lambda: None
    now = time.perf_counter if cuda else time.process_time
    make = lambda: make_batch(windows, config, BATCH, 0, run.step, run.device)

    def loop(steps: int) -> float:  # as training.loop does: the next batch is made before the result is waited for
        batch = make()
        finish()
        start = now()
        for _ in range(steps):
            result = run.update(batch, noise_generator(0, run.step))
            batch = make()
            loss, _ = result.tolist()
        finish()
        if not np.isfinite(loss):
            raise RuntimeError(f"{head} with {objective}: the loss became {loss}, so the time would be that of another computation.")
        return now() - start

    loop(size["warmup"])
    seconds, n = loop(size["steps"]), size["steps"]
    batch = make()
    update = lambda: run.update(batch, noise_generator(0, run.step))
    result = dict(steps_per_second=round(n / seconds, 2), batch_ms=milliseconds(make, n, now, finish), update_ms=milliseconds(update, n, now, finish))
    if cuda:
        result |= dict(launch_ms=launch_milliseconds(update, n, finish), memory_mb=round(torch.cuda.max_memory_allocated() / 2**20))
    return result | dict(parameters=sum(p.numel() for p in run.policy.parameters()))


def milliseconds(work, n: int, now, finish) -> float:
    "One `work()` of n in a row, until all have finished."
    finish()
    start = now()
    for _ in range(n):
        work()
    finish()
    return round(1000 * (now() - start) / n, 2)


def launch_milliseconds(work, n: int, finish) -> float:
    "The host's part of one `work()`, each begun on an idle device."
    total = 0.0
    for _ in range(n):
        finish()
        start = time.perf_counter()
        work()
        total += time.perf_counter() - start
    return round(1000 * total / n, 2)


def machine(size: dict) -> dict:
    from prism_repro.analysis.latency import device_name
    from prism_repro.results.records import package_versions

    more = dict(cuda=torch.version.cuda) if size["device"] == "cuda" else {}
    return dict(device=device_name(size["device"]), host=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores", threads=1,
                versions=package_versions(["torch", "numpy"]) | more)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--heads", nargs="*", choices=HEADS, default=HEADS)
    parser.add_argument("--objectives", nargs="*", choices=list(OBJECTIVES), default=list(OBJECTIVES))
    parser.add_argument("--out", type=Path, default=Path("bench/throughput.json"))
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    table = json.loads(args.out.read_text()) if args.out.is_file() else {}
    windows = synthetic_windows()
    for name in args.sizes:
        size = SIZES[name]
        if size["device"] == "cuda" and not torch.cuda.is_available():
            print(f"{name}: torch sees no CUDA device here, so this size is left out.")
            continue
        results = {}
        for head in args.heads:
            for objective in args.objectives:
                results[f"{head} {objective}"] = r = measure(head, objective, size, windows)
                more = f", launched in {r['launch_ms']:.1f} ms" if "launch_ms" in r else ""
                print(f"{name:6s}{head:>10s} {objective}: {r['steps_per_second']:8.2f} steps/s   batch {r['batch_ms']:7.2f} ms   update {r['update_ms']:8.2f} ms{more}", flush=True)
        unit = "per second of the clock" if size["device"] == "cuda" else "per CPU second"
        table[name] = dict(size | dict(batch_size=BATCH, To=To, cameras=len(CAMERAS), windows="synthetic", unit=f"training steps {unit}"), **machine(size), results=results)
    args.out.write_text(json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
