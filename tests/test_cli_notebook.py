"""Tests of nbs/cli/94_notebook.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import nbformat
import pytest

from prism_repro.cli.notebook import declared_parameters, main, merge, run_notebook, select


def book(path, *cells, tag=True):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nb.cells[0].metadata["tags"] = ["parameters"] if tag else []
    nb.metadata["kernelspec"] = dict(name="python3", language="python", display_name="python3")
    nbformat.write(nb, path)
    return path


def test_parameters_reach_the_notebook_and_its_outputs_are_kept(tmp_path):
    nb = book(tmp_path / "a.ipynb", "steps = 1\ntrain = {}", "print('steps', steps, train['lr'])")
    assert run_notebook(nb, tmp_path / "out/a.ipynb", dict(steps=7, train=dict(lr=0.5)), progress=False) == 0
    text = (tmp_path / "out/a.ipynb").read_text()
    assert "steps 7 0.5" in text


def test_a_failing_cell_shows_its_own_error_and_keeps_the_notebook(tmp_path, capfd):
    nb = book(tmp_path / "a.ipynb", "steps = 1", "raise RuntimeError('the cube is not on the table')")
    assert run_notebook(nb, tmp_path / "out.ipynb", dict(steps=2), progress=False) == 1
    assert "RuntimeError: the cube is not on the table" in capfd.readouterr().err
    assert "the cube is not on the table" in (tmp_path / "out.ipynb").read_text()


def test_misspelt_parameters_and_untagged_notebooks_are_refused(tmp_path):
    with pytest.raises(ValueError, match="does not declare stesp; its parameters cell has steps"):
        run_notebook(book(tmp_path / "a.ipynb", "steps = 1"), tmp_path / "o.ipynb", dict(stesp=2))
    with pytest.raises(ValueError, match="no cell tagged 'parameters'"):
        declared_parameters(book(tmp_path / "b.ipynb", "steps = 1", tag=False))


def test_the_command_line_names_what_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("profile: quick\ncells: {a: {steps: 3}}\n")
    book(tmp_path / "a.ipynb", "steps = 1\nprofile = ''\nname = ''")
    assert main(["a.ipynb", "--section", "cells.b"]) == 2
    assert "no 'b' at cells; there is a" in capsys.readouterr().err
    assert main(["a.ipynb", "--section", "cells.a"]) == 0
    assert (tmp_path / "work/notebooks/quick/a-a.ipynb").exists()
