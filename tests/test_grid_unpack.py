"""Tests of nbs/grid/68_unpack.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import os
import subprocess
import sys
import zipfile

from prism_repro.grid.unpack import environment, missing, place, unpack


def test_wheels_are_unzipped_once_and_found_first(tmp_path):
    (tmp_path / "bundle.json").write_text(json.dumps(dict(python=f"{sys.version_info.major}.{sys.version_info.minor}", needs=[])))
    (tmp_path / "wheels").mkdir()
    with zipfile.ZipFile(tmp_path / "wheels/a-1-py3-none-any.whl", "w") as archive:
        archive.writestr("a_bundled_module.py", "x = 5\n")
    site = unpack(tmp_path)
    (site / "a_bundled_module.py").write_text("x = 6\n")
    assert unpack(tmp_path) == site, "the second time it is left as it is"
    code = "import a_bundled_module, os; print(a_bundled_module.x, os.environ['MUJOCO_GL'])"
    done = subprocess.run([sys.executable, "-c", code], env={k: v for k, v in environment(tmp_path).items()}, capture_output=True, text=True)
    assert done.stdout.split() == ["6", os.environ.get("MUJOCO_GL", "egl")]
    assert subprocess.run([tmp_path / "bin/prism-repro", "--version"], capture_output=True, text=True).stdout.startswith("prism_repro")


def test_data_that_is_there_is_not_replaced(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "bundle/data/gpu" / name).mkdir(parents=True)
        (tmp_path / "bundle/data/gpu" / name / "demonstrations.hdf5").write_bytes(b"bundled")
    (tmp_path / "root/data/gpu/a").mkdir(parents=True)
    (tmp_path / "root/data/gpu/a/demonstrations.hdf5").write_bytes(b"own")
    assert place(tmp_path / "bundle", tmp_path / "root") == ["data/gpu/b/demonstrations.hdf5"]
    assert (tmp_path / "root/data/gpu/a/demonstrations.hdf5").read_bytes() == b"own"
    assert missing(["json"]) == []
