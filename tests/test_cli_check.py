"""Tests of nbs/cli/96_check.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import shutil
from pathlib import Path

import pytest

import prism_repro
from prism_repro.cli.check import out_of_step

ROOT = Path(prism_repro.__file__).parents[1]


@pytest.fixture
def clone(tmp_path):
    if not (ROOT / "nbs").exists():
        pytest.skip("needs the repository, not an installed wheel")
    for name in ("nbs", "prism_repro", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("settings.ini", "README.md", "setup.py", "pyproject.toml", "params.yaml", "grid.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.slow
def test_the_repository_is_in_step_and_the_check_notices_when_it_is_not(clone):
    assert out_of_step(clone) == []
    module = clone / "prism_repro/cli/export.py"
    module.write_text(module.read_text() + "\nedited = 'by hand'\n")
    test_file = clone / "tests/test_cli_walls.py"
    test_file.write_text("")
    notebook = clone / "nbs/cli/90_export.ipynb"
    nb = json.loads(notebook.read_text())
    nb["cells"][1]["execution_count"] = 7
    nb["cells"] += [{**nb["cells"][1], "id": "forgotten", "source": "def test_forgotten(): ..."},
                    {"cell_type": "markdown", "id": "use", "metadata": {}, "source": "## Use this in your own code"}, {**nb["cells"][1], "id": "borrowed", "source": "print(np.pi)"}]
    notebook.write_text(json.dumps(nb))
    (clone / "README.md").write_text("by hand")
    (clone / "grid.json").write_text((clone / "grid.json").read_text().replace("lift_wide-prism-fm", "lift_wide-prism-mf"))
    (clone / "prism_repro/vision/rogue.py").write_text("import mujoco\n")
    found = "\n".join(out_of_step(clone))
    for expected in ("prism_repro/cli/export.py is out of step", "tests/test_cli_walls.py is out of step", "nbs/cli/90_export.ipynb is not clean", "test_forgotten stands in a cell without `#| test`", "uses 'np', which whoever pastes it does not have",
                     "README.md is out of step", "grid.json is out of step with params.yaml", "prism_repro/vision/rogue.py is out of step", "imports 'mujoco'"):
        assert expected in found, found
