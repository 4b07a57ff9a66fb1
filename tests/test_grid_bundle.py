"""Tests of nbs/grid/68_bundle.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import yaml

import prism_repro
from prism_repro.grid.bundle import LIMIT, bundle, compare, demonstrations, first_frame, look, requirements, weigh

ROOT = Path(prism_repro.__file__).parents[1]


def test_it_is_weighed_with_the_tree_that_travels_beside_it():
    weigh(LIMIT // 2, LIMIT // 2)
    with pytest.raises(ValueError, match="fewer tasks"):
        weigh(LIMIT // 2, LIMIT // 2 + 1)


def test_what_cannot_travel_is_said(tmp_path):
    params = dict(profile="quick", observations=dict(lift=dict(demonstrations="lift")), cells=dict(a=dict(task="lift", observations="lift"), b=dict(task="libero_10", observations="lift")))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ValueError, match="libero_10 cannot travel"):
        bundle(tmp_path, "quick", tmp_path / "b.tar.xz")
    with pytest.raises(ValueError, match="data/quick/lift/demonstrations.hdf5 is missing"):
        bundle(tmp_path, "quick", tmp_path / "b.tar.xz", tasks=["lift"])
    assert demonstrations(tmp_path, params | dict(cells={}), ["lift"]) == set() and not (tmp_path / "b.tar.xz").exists()
    assert "scipy" in requirements(["scipy"], present=["numpy"]) and requirements(["scipy"], present=["numpy", "scipy"]) == {}


@pytest.mark.gl
def test_a_reduced_robosuite_renders_the_same_frame(tmp_path):
    from prism_repro.grid.bundle import reduce_robosuite

    files, frame = look("lift")
    assert any(f.endswith("table_arena.xml") for f in files) and any(f.endswith(".obj") for f in files) and len(files) < 120
    size = reduce_robosuite(files, tmp_path / "site")
    assert size < 60e6
    np.savez(tmp_path / "frames.npz", lift=frame)
    code = f"""
import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})
import robosuite; assert robosuite.__file__.startswith({str(tmp_path)!r}), robosuite.__file__
import numpy as np
from prism_repro.grid.bundle import first_frame
assert np.array_equal(first_frame('lift'), np.load({str(tmp_path / 'frames.npz')!r})['lift'])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
