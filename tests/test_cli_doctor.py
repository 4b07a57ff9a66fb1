"""Tests of nbs/cli/92_doctor.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import os
import subprocess
import sys

import pytest

RUN = [sys.executable, "-c", "import sys; from prism_repro.cli.doctor import main; sys.exit(main(sys.argv[1:]))"]


@pytest.mark.gl
@pytest.mark.slow
def test_the_doctor_finds_a_back_end_that_renders(tmp_path):
    done = subprocess.run([*RUN, "--write", str(tmp_path / "gl")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    best = (tmp_path / "gl").read_text().strip()
    assert best in ("egl", "osmesa", "glfw") and f"OpenGL {best}" in done.stdout and "<- used" in done.stdout


@pytest.mark.slow
def test_when_nothing_renders_the_doctor_names_the_command_to_type(tmp_path):
    "A probe in a process that finds no GL library: the loader is pointed at an empty folder by shadowing the GL bindings."
    for name in ("OpenGL", "glfw"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('no GL library on this machine')")
    env = dict(os.environ, PYTHONPATH=str(tmp_path))
    done = subprocess.run([*RUN, "--write", str(tmp_path / "gl")], capture_output=True, text=True, env=env)
    assert done.returncode == 1 and "make system-deps" in done.stdout and not (tmp_path / "gl").exists()
