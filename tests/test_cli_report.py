"""Tests of nbs/cli/98_report.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import shutil
from pathlib import Path

import pytest

from prism_repro.cli.report import main, run_cells, run_stage, with_records

ROOT = Path(__file__).resolve().parents[1]
repository = pytest.mark.skipif(not (ROOT / "dvc.yaml").exists(), reason="needs the repository, not an installed wheel")


def write_notebook(path, *sources):
    "A notebook whose first cell has the tag `parameters`."
    cells = [{"cell_type": "code", "id": f"c{i}", "source": s, "outputs": [], "execution_count": None, "metadata": {} if i else {"tags": ["parameters"]}} for i, s in enumerate(sources)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": cells, "metadata": {"kernelspec": {"name": "python3", "display_name": "p", "language": "python"}}, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def clone(tmp_path):
    "What a clone has of profile lift: records, notebooks, parameters; no table, no figure."
    for name in ("results/lift/records", "nbs/results", "profiles/lift"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    for name in ("settings.ini", "dvc.yaml", "params.yaml", "grid.json"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


@repository
@pytest.mark.slow
def test_everything_is_rebuilt_to_the_byte_without_touching_the_lock(clone, capsys):
    lock = (clone / "profiles/lift/dvc.lock").read_bytes()
    assert main(["--root", str(clone), "--no-pdf", "--jobs", "2"]) == 0, capsys.readouterr()
    built = sorted(p.relative_to(clone) for folder in ("results/lift/tables", "figures/lift") for p in (clone / folder).iterdir())
    there = sorted(p.relative_to(ROOT) for folder in ("results/lift/tables", "figures/lift") for p in (ROOT / folder).iterdir())
    assert [p for p in built if p in there] == there and (clone / "results/lift/report.html").is_file()
    assert [p for p in there if (clone / p).read_bytes() != (ROOT / p).read_bytes()] == []
    assert (clone / "profiles/lift/dvc.lock").read_bytes() == lock and not (clone / "data").exists() and not (clone / "work").exists()


@repository
@pytest.mark.slow
def test_a_failing_notebook_is_named_and_leaves_no_page(clone, capsys):
    write_notebook(clone / "nbs/results/table_1.ipynb", "profile = ''\nroot = '.'\nname = ''\nentries = {}\nstand_ins = {}", "raise KeyError('no such cell')")
    assert main(["lift", "--root", str(clone), "--no-pdf", "--jobs", "2"]) == 1
    said = capsys.readouterr()
    assert "lift: table@table_1 FAILED" in said.out and "no such cell" in said.out and "table_1.ipynb, cell 1" in said.out
    assert "page was left as it was" in said.err and not (clone / "results/lift/report.html").exists()


@repository
@pytest.mark.slow
def test_a_damaged_record_is_named(clone, capsys):
    (clone / "results/lift/records/latency.json").write_text("{}")
    assert main(["lift", "--root", str(clone), "--no-pdf", "--page-only"]) == 1
    assert "latency.json: schema should be present" in capsys.readouterr().err


@repository
def test_unknown_profiles_and_clones_without_records(clone, capsys):
    assert main(["nosuch", "--root", str(clone)]) == 2
    assert "nosuch" in capsys.readouterr().err
    shutil.rmtree(clone / "results")
    assert with_records(clone) == [] and main(["--root", str(clone), "--no-pdf"]) == 1
    assert "no profile has records" in capsys.readouterr().err


def test_parameters_that_a_notebook_does_not_declare_are_refused(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", "profile = 1", "print(profile)")
    with pytest.raises(ValueError, match="does not declare nmae"):
        run_cells(path, {"nmae": 1})


@pytest.mark.slow
def test_a_notebook_with_magic_runs_in_a_kernel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("profile: toy\n")
    write_notebook(tmp_path / "a.ipynb", "profile = ''", "%time x = profile\nopen('out.txt', 'w').write(x)")
    run_stage(tmp_path, "prism-repro notebook a.ipynb --params params.yaml")
    assert (tmp_path / "out.txt").read_text() == "toy"
    with pytest.raises(FileNotFoundError):
        run_stage(tmp_path, "prism-repro notebook a.ipynb --params gone.yaml")
    with pytest.raises(RuntimeError, match="usage: prism-repro"):
        run_stage(tmp_path, "prism-repro nosuch")
