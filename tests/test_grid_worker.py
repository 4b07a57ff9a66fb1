"""Tests of nbs/grid/69_worker.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prism_repro.grid.worker import content_hash, differences, fingerprint, guarded, run_task


def a_tree(root) -> Path:
    (root / "data").mkdir(parents=True)
    (root / "data/a.hdf5").write_bytes(b"images")
    (root / "code").mkdir()
    (root / "code/a.py").write_text("x = 1\n")
    return root


def task_for(tree, **over) -> dict:
    expected = fingerprint(tree, ["data/a.hdf5", "code"])
    return dict(name="cell@a", cmd="echo ran; echo 1 > out.json", wdir=".", outs=["out.json"], env={}, expected=expected) | over


def test_other_code_data_or_versions_are_refused_with_a_sentence(tmp_path):
    driver, worker = a_tree(tmp_path / "driver"), a_tree(tmp_path / "worker")
    task = task_for(driver)
    assert run_task(task, worker)["status"] == "done"
    (worker / "out.json").unlink()

    def refusal(task):
        result = run_task(task, worker)
        assert result["status"] == "refused" and not (worker / "out.json").exists()
        return result["text"]

    (worker / "data/a.hdf5").write_bytes(b"other images")
    assert "data/a.hdf5 differs from the driver" in refusal(task)
    (worker / "data/a.hdf5").unlink()
    assert "data/a.hdf5 is missing; share the tree, or copy that file." in refusal(task)
    (worker / "data/a.hdf5").write_bytes(b"images")
    (worker / "code/b.py").write_text("")
    assert "code differs" in refusal(task)
    (worker / "code/b.py").unlink()
    expected = task["expected"]
    text = refusal(task | dict(expected=expected | dict(versions=expected["versions"] | {"torch": "1.13.0"})))
    assert f"torch is {expected['versions']['torch']} and the driver's is 1.13.0" in text
    assert "other source" in refusal(task | dict(expected=expected | dict(package="0" * 64)))
    result = run_task(task, tmp_path / "nowhere")
    assert result["status"] == "refused" and "--tree" in result["text"]
    assert run_task(task, worker)["status"] == "done"


def test_a_build_of_torch_is_not_another_version(tmp_path, monkeypatch):
    import importlib.metadata

    real = importlib.metadata.version
    mine = fingerprint(tmp_path, [])
    monkeypatch.setattr(importlib.metadata, "version", lambda name: real(name).split("+")[0] + "+cu130" if name == "torch" else real(name))
    assert differences(mine, fingerprint(tmp_path, [])) == []
    assert any("not installed" in s for s in differences(mine, mine | dict(package=None)))


def test_what_a_run_leaves_beside_its_source_does_not_change_a_hash(tmp_path):
    tree = a_tree(tmp_path / "tree")
    before = content_hash(tree / "code")
    (tree / "code/__pycache__").mkdir()
    (tree / "code/__pycache__/a.pyc").write_bytes(b"x")
    assert content_hash(tree / "code") == before
    (tree / "code/a.py").rename(tree / "code/c.py")
    assert content_hash(tree / "code") != before and content_hash(tree / "none") is None


def test_failing_and_empty_handed_commands_are_failures(tmp_path):
    tree = a_tree(tmp_path / "tree")
    result = run_task(task_for(tree, cmd="echo why; exit 3"), tree)
    assert (result["status"], result["exit"]) == ("failed", 3) and result["text"].endswith("why\n") and not result["outs"]
    result = run_task(task_for(tree, cmd="true"), tree)
    assert result["status"] == "failed" and "left no out.json" in result["text"]
    assert (tree / "work/ray/cell@a.log").read_text().count("==== ") == 2


WORKER = "import sys; from prism_repro.grid.worker import guarded; guarded(sys.argv[1], '.', 'a.log')"
BEAT = "import time, pathlib\nwhile True: pathlib.Path('beat').write_text(str(time.time())); time.sleep(.05)"


@pytest.mark.skipif(os.name == "nt", reason="needs sessions and file locks")
def test_a_killed_worker_takes_its_command_with_it_and_the_next_waits(tmp_path):
    (tmp_path / "beat.py").write_text(BEAT)
    command = f"true; setsid --wait {sys.executable} beat.py"  # a session of its own, as Jupyter's kernels have
    worker = subprocess.Popen([sys.executable, "-c", WORKER, command], cwd=tmp_path)
    until = time.monotonic() + 30
    while not (tmp_path / "beat").exists() and time.monotonic() < until:
        time.sleep(0.05)
    with pytest.raises(TimeoutError, match="earlier attempt"):
        guarded("true", tmp_path, tmp_path / "a.log", patience=0.5)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert guarded("true", tmp_path, tmp_path / "a.log", patience=30) == 0, "the lock is free when all of them are gone"
    last = (tmp_path / "beat").read_text()
    time.sleep(0.4)
    assert (tmp_path / "beat").read_text() == last
