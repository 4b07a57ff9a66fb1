"""Tests of nbs/cli/91_walls.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import subprocess
import sys
from pathlib import Path

import prism_repro
from prism_repro.cli.walls import broken_walls


def test_rooms_import_what_they_may():
    assert broken_walls(Path(prism_repro.__file__).parent) == []


def test_importing_the_package_brings_no_torch_and_no_simulator():
    code = ("import sys, prism_repro, prism_repro.data.schema, prism_repro.results.records, prism_repro.envs.robosuite, prism_repro.demos.collect;"
            "heavy = {'torch', 'mujoco', 'robosuite', 'nbdev', 'fastcore'} & set(sys.modules); assert not heavy, heavy")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_models_need_no_simulator():
    code = ("import sys; sys.modules.update(dict.fromkeys(['mujoco', 'robosuite', 'nbdev', 'fastcore', 'dvc', 'matplotlib']));"
            "from prism_repro.vision.prism import PRISM; import prism_repro.training.loop, prism_repro.policies.policy")
    subprocess.run([sys.executable, "-c", code], check=True)
