"""How long does `dvc repro` take to say that nothing is to be done?

    python bench/noop.py [--profile paper] [--out bench/noop.json]

In a clone of the last commit, every output of the profile is a line of text; `dvc commit` writes the lock file, and then `dvc repro` is timed, as it is installed
here and with ruamel's parser in pure Python, which DVC gets where `ruamel.yaml.clib` is missing.
"""
import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path


def fill(root: Path, profile: str) -> int:
    "Write a line for every output that is missing; return the number of the profile's stages."
    from dvc.repo import Repo

    stages = [stage for stage in Repo(str(root)).index.stages if Path(stage.path).parent.name == profile]
    for out in (out for stage in stages for out in stage.outs):
        path = Path(out.fs_path)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{path.name}\n")
    for path in (Path(dep.fs_path) for stage in stages for dep in stage.deps):  # folders that stages fill beside their outputs
        if not path.exists():
            path.mkdir(parents=True)
    return len(stages)


def timed(folder: Path, **variables) -> dict:
    "Run `dvc repro`; return seconds of the clock and of the CPU. Raises RuntimeError where there was something to do."
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(["dvc", "repro"], cwd=folder, env=os.environ | variables, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "up to date" not in said.stdout:
        raise RuntimeError(f"`dvc repro` in {folder} had something to do:\n{said.stdout[-2000:]}{said.stderr[-2000:]}")
    return dict(seconds=round(time.perf_counter() - began, 1), cpu_seconds=round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1))


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--out", type=Path, default=Path("bench/noop.json"))
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        root, without = Path(folder) / "clone", Path(folder) / "without"
        subprocess.run(["git", "clone", "-q", ".", root], check=True)
        stages, profile = fill(root, args.profile), root / "profiles" / args.profile
        subprocess.run(["dvc", "commit", "-q", "-f", "dvc.yaml"], cwd=profile, check=True)
        without.mkdir()
        (without / "_ruamel_yaml.py").write_text("raise ImportError\n")
        found = dict(profile=args.profile, stages=stages, cores=os.cpu_count(), installed=timed(profile), pure_python=timed(profile, PYTHONPATH=str(without)))
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
