"""Tests of nbs/cli/94_notebook.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from prism_repro.cli.notebook import declared_parameters, main, run_notebook


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


@pytest.mark.parametrize("asked, given", [(None, "1"), ("3", "3")])
def test_linear_algebra_gets_one_thread_unless_told(tmp_path, monkeypatch, asked, given):
    monkeypatch.setenv("OMP_NUM_THREADS", asked) if asked else monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    nb = book(tmp_path / "a.ipynb", "steps = 1", "import os; print('threads', os.environ['OMP_NUM_THREADS'])")
    assert run_notebook(nb, tmp_path / "out.ipynb", {}, progress=False) == 0
    assert f"threads {given}" in (tmp_path / "out.ipynb").read_text()
    monkeypatch.setenv("OMP_NUM_THREADS", given)  # so that what it was before comes back


def test_a_log_has_no_colours_and_few_bars(tmp_path, capfd):
    bars = "from tqdm import tqdm\nimport time\nfor i in tqdm(range(30)): time.sleep(0.02)\n1 / 0"
    assert run_notebook(book(tmp_path / "a.ipynb", "steps = 1", bars), tmp_path / "out.ipynb", dict(steps=2)) == 1
    log = capfd.readouterr().err
    assert "ZeroDivisionError" in log and "\x1b" not in log and log.count("it/s") <= 3, log


def test_a_kernel_that_somebody_registered_is_not_used(tmp_path, monkeypatch, capfd):
    spec = tmp_path / "kernels/python3/kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps(dict(argv=["/nowhere/python", "{connection_file}"], display_name="theirs", language="python")))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    nb = book(tmp_path / "a.ipynb", "steps = 1", "import sys; print('ran by', sys.executable)")
    assert run_notebook(nb, tmp_path / "out.ipynb", {}) == 0
    assert f"ran by {sys.executable}" in capfd.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_ctrl_c_is_a_sentence_and_leaves_no_process(tmp_path):
    (tmp_path / "params.yaml").write_text("profile: quick\n")
    book(tmp_path / "a.ipynb", "profile = ''", "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)")
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from prism_repro.cli.main import main; sys.exit(main(sys.argv[1:]))"
    run = subprocess.Popen([sys.executable, "-c", code, "notebook", "a.ipynb"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(run.pid, signal.SIGINT)
    errors = run.communicate(timeout=30)[1]
    assert run.returncode == 130 and errors.strip().splitlines()[-1].startswith("a.ipynb was interrupted"), errors
    assert "papermill" not in errors and "KeyboardInterrupt" not in errors, errors
    kernel = int((tmp_path / "pid").read_text())
    while time.monotonic() < deadline:
        try:
            os.kill(kernel, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("the kernel is still alive")


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
    assert main(["a.ipynb"]) == main(["a.ipynb", "--section", ""]) == 2
    assert "needs a --section" in capsys.readouterr().err
    for content in ("a: [", "- 1\n", "", "steps: 3\n"):
        (tmp_path / "bad.yaml").write_text(content)
        assert main(["a.ipynb", "--params", "bad.yaml"]) == 2
        assert "bad.yaml is not" in capsys.readouterr().err
    (tmp_path / "params.yaml").rename(tmp_path / "elsewhere.yaml")
    for call, what in ((["a.ipynb"], "no parameter file params.yaml"), (["b.ipynb", "--params", "elsewhere.yaml"], "no notebook b.ipynb")):
        assert main(call) == 2
        said = capsys.readouterr().err
        assert what in said and str(tmp_path) in said and "root of a clone" in said and "Errno" not in said
    (tmp_path / "elsewhere.yaml").rename(tmp_path / "params.yaml")
    assert main(["a.ipynb", "--section", "cells.a"]) == 0
    assert (tmp_path / "work/notebooks/quick/a-a.ipynb").exists()
