"""Build and cache work/peers: an environment in which the project is compared with its peers, robomimic and Diffusion Policy.

    python bench/peers/build.py            # build, or do nothing, in less than a second, when it is there; where it cannot be built, say why
    python bench/peers/build.py --check    # never build; exit 1 where there is none

It prints the environment's interpreter, or the reason why there is none, which the tests give when they skip. Building takes seconds and 11 MB.

The environment is a virtual one that sees the packages of the interpreter that runs this script, and has on top, pinned and without dependencies, what
requirements.txt lists. Nothing is installed into the calling environment. Two more things are needed:

- shims/: stand-ins for torchvision, mujoco_py and egl_probe, last on the path, so that the real ones win where they are installed. robomimic 0.3.0 (2023)
  imports all three, and uses none of them in what is compared here.
- Diffusion Policy is not on PyPI. robomimic's authors carry its ConditionalUnet1D in robomimic 0.5, of which PyPI has a third party's build: one file of
  that wheel is unpacked, if it has the expected hash. check_unet.py compares with it, and with Diffusion Policy's own file as well where the environment
  variable DIFFUSION_POLICY names a clone of github.com/real-stanford/diffusion_policy.
"""
import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
UNET_WHEEL, UNET_FILE = "praxis-robomimic==0.5.0", "robomimic/models/diffusion_policy_nets.py"
UNET_SHA256 = "9ccd41bcbc410b64f3709b476a6e86f36e47a117d98af40ea275fe158b1583b9"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
NETWORK = ["--retries", "0", "--timeout", "15"]  # where there is no network, say so soon


def stamp() -> str:
    "A hash of all that the environment is made from."
    parts = [sys.prefix, sys.version, *((HERE / name).read_text() for name in ("requirements.txt", "build.py"))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def run(command: list) -> None:
    "Run a command; raise RuntimeError with the line that says what went wrong."
    name = " ".join([Path(command[0]).name, *map(str, command[1:3])])
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"`{name} ...` took more than 300 s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise RuntimeError(f"`{name} ...` failed: {errors[-1]}")


def build(folder: Path) -> None:
    "Make the environment anew; raise RuntimeError where that fails."
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=False, symlinks=True)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    seen = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site / "peers.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in seen) + f"{HERE / 'shims'}\n")
    run([*PIP, "install", *NETWORK, "--no-deps", "--target", site, "-r", HERE / "requirements.txt"])
    with tempfile.TemporaryDirectory() as tmp:
        run([*PIP, "download", *NETWORK, "--no-deps", "--only-binary", ":all:", "--dest", tmp, UNET_WHEEL])
        text = zipfile.ZipFile(next(Path(tmp).glob("*.whl"))).read(UNET_FILE)
    if hashlib.sha256(text).hexdigest() != UNET_SHA256:
        raise RuntimeError(f"{UNET_FILE} of {UNET_WHEEL} is not the file that was reviewed: its hash differs, and it is not run")
    (site / "diffusion_policy_nets.py").write_bytes(text)
    run([folder / "bin/python", "-c", "import robomimic.scripts.train, robomimic.envs.env_robosuite, diffusion_policy_nets"])


def reason(folder: Path) -> str | None:
    "Why there is no environment to use; None when there is."
    if not (folder / "state.json").exists():
        return "the peers' environment was not built: run `python bench/peers/build.py`"
    found = json.loads((folder / "state.json").read_text())
    return found["reason"] if found["stamp"] == stamp() else "the peers' environment is out of date: run `python bench/peers/build.py`"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="never build; exit 1 where there is no environment")
    parser.add_argument("--at", type=Path, default=HERE.parents[1] / "work/peers", help="another folder")
    given = parser.parse_args()
    why = reason(given.at)
    if why and not given.check:
        try:
            build(given.at)
            why = None
        except (RuntimeError, OSError, KeyError, StopIteration, subprocess.SubprocessError, zipfile.BadZipFile) as error:
            why = f"the peers' environment cannot be built: {error}"
        given.at.mkdir(parents=True, exist_ok=True)
        (given.at / "state.json").write_text(json.dumps(dict(stamp=stamp(), reason=why)))  # last: an interrupted build has none
    print(why or given.at / "bin/python")
    return int(given.check and why is not None)


if __name__ == "__main__":
    sys.exit(main())
