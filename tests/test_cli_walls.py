"""Tests of nbs/cli/91_walls.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import subprocess
import sys
from pathlib import Path

import prism_repro
from prism_repro.cli.walls import broken_walls


def test_the_grid_reads_results_and_not_the_other_way_round(tmp_path):
    house = tmp_path / "prism_repro"
    for room in ("results", "grid", "cli", "plugins"):
        (house / room).mkdir(parents=True)
        (house / room / "__init__.py").write_text("")
    (house / "grid/plan.py").write_text("from prism_repro.results.records import read_record\n")
    (house / "cli/plan.py").write_text("def main():\n    from prism_repro.grid.plan import plan\n")
    assert broken_walls(house) == []
    (house / "results/report.py").write_text("from prism_repro.grid.plan import plan\n")
    (house / "grid/run.py").write_text("from prism_repro.cli.main import main\n")
    (house / "plugins/x.py").write_text("from prism_repro.grid.plan import plan\n")
    assert [problem.split(",")[0] for problem in broken_walls(house)] == ["prism_repro.grid.run", "prism_repro.plugins.x", "prism_repro.results.report"]


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
