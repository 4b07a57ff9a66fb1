"""Tests of nbs/03_files.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import os
import signal
import subprocess
import sys

import pytest

from prism_repro.files import atomic, file_hash, sync, write_atomic


def test_only_success_replaces(tmp_path):
    path = tmp_path / "new" / "x.txt"
    with atomic(path) as tmp:
        tmp.write_text("1")
        assert tmp.parent == path.parent and tmp.name.startswith(".x.txt.") and tmp.suffix == ".tmp" and not path.exists()
    with pytest.raises(ZeroDivisionError):
        with atomic(path) as tmp:
            tmp.write_text("2")
            1 / 0
    with pytest.raises(FileNotFoundError):
        with atomic(path):
            pass  # wrote nothing
    assert os.listdir(path.parent) == ["x.txt"] and path.read_text() == "1"


def test_bytes_are_written_as_they_are(tmp_path):
    for content, expected in ((b"\x00\r\n", b"\x00\r\n"), ("Grüße\r\nx\n", b"Gr\xc3\xbc\xc3\x9fe\r\nx\n"), ("", b"")):
        write_atomic(tmp_path / "x", content)
        assert (tmp_path / "x").read_bytes() == expected
    (tmp_path / "big").write_bytes(big := bytes(range(256)) * 9000)  # more than one block
    write_atomic(tmp_path / "copy", big)
    assert file_hash(tmp_path / "big") == file_hash(tmp_path / "copy") != file_hash(tmp_path / "x")


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_atomic(tmp_path / "x", "")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="Windows does not flush folders")
@pytest.mark.parametrize("folder", [False, True])
def test_it_is_flushed_before_it_gets_its_name_and_the_folder_after(tmp_path, monkeypatch, folder):
    steps, fsync, replace = [], os.fsync, os.replace
    inode = lambda name: os.stat(tmp_path / name).st_ino
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(os.fstat(fd).st_ino), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *a: (steps.append("rename"), replace(*a)))
    with atomic(tmp_path / "x") as tmp:
        (tmp / "sub").mkdir(parents=True) if folder else tmp.write_text("1")
        (tmp / "sub" / "y").write_text("1") if folder else None
    inside = {inode(n) for n in (("x", "x/sub", "x/sub/y") if folder else ("x",))}
    assert set(steps[: len(inside)]) == inside and steps[len(inside) :] == ["rename", inode(".")]


def test_a_folder_that_exists_is_not_replaced(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "old").write_text("1")
    with pytest.raises(OSError):
        with atomic(tmp_path / "x") as tmp:
            tmp.mkdir()
            (tmp / "new").write_text("2")
    assert os.listdir(tmp_path) == ["x"] and os.listdir(tmp_path / "x") == ["old"]


@pytest.mark.parametrize("stale_folder", [False, True])
def test_what_a_killed_process_of_the_same_number_left_is_cleared(tmp_path, stale_folder):
    stale = tmp_path / f".x.{os.getpid()}.tmp"
    (stale / "half").mkdir(parents=True) if stale_folder else stale.write_text("half")
    with atomic(tmp_path / "x") as tmp:
        assert tmp == stale and not tmp.exists()
        tmp.mkdir()
    assert os.listdir(tmp_path) == ["x"] and not os.listdir(tmp_path / "x")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize("moment", ["while writing", "before the rename"])
def test_a_kill_leaves_the_old_file(tmp_path, moment):
    path = tmp_path / "x"
    write_atomic(path, "old")
    script = (
        "import os, signal, sys\nfrom prism_repro.files import atomic\nkill = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "if sys.argv[2] == 'before the rename': os.replace = kill\n"
        "with atomic(sys.argv[1]) as tmp:\n    tmp.write_text('new')\n    if sys.argv[2] == 'while writing': kill()\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path), moment], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert path.read_text() == "old" and len(list(tmp_path.glob(".x.*.tmp"))) == 1
    write_atomic(path, "new")
    assert path.read_text() == "new"


def test_a_missing_file_is_not_flushed_or_hashed(tmp_path):
    for function in (sync, file_hash) if os.name != "nt" else (file_hash,):
        with pytest.raises(FileNotFoundError):
            function(tmp_path / "x")
