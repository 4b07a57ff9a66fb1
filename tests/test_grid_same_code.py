"""Tests of nbs/grid/68_same_code.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import subprocess

import pytest

from prism_repro.grid import same_code
from prism_repro.grid.states import package_root
from prism_repro.hashes import SAME, source_hash, to_text
from prism_repro.results.records import RecordError


def folder(path, code, **scores):
    path.mkdir(parents=True)
    for name, score in scores.items():
        kind = "latency" if name == "latency" else "rollouts"
        (path / f"{name}.json").write_text(to_text({"kind": kind, "hashes": {"code": code}, "measurements": [score]}))
    (path / "a.machine.json").write_text("{}")
    return path


def test_records_are_compared_to_the_last_bit(tmp_path):
    old, same = folder(tmp_path / "old", "was", a=0.1 + 0.2, b=1, latency=5), {"now": "was"}
    assert same_code.compare(old, folder(tmp_path / "same", "now", a=0.1 + 0.2, b=1, latency=9), same) == {"rollouts": 2}
    assert same_code.compare(old, folder(tmp_path / "some", "now", b=1), same) == {"rollouts": 1}
    with pytest.raises(RecordError, match="a.json.*0.3"):
        same_code.compare(old, folder(tmp_path / "other", "now", a=0.3, b=1), same)
    with pytest.raises(RecordError, match="unknown code"):
        same_code.compare(folder(tmp_path / "older", "long ago", a=1), folder(tmp_path / "newer", "now", a=1), same)
    for nothing in (old, tmp_path / "nowhere", folder(tmp_path / "clock", "now", latency=5)):  # adopted, empty, a clock
        with pytest.raises(ValueError, match="by today's code"):
            same_code.compare(old, nothing, same)


def test_the_list_points_from_todays_code_at_the_records(tmp_path, monkeypatch):
    run = lambda *args: subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *args], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.setattr(same_code, "starts", lambda: [("prism_repro.a",), ("prism_repro.b",)])
    (tmp_path / "prism_repro").mkdir()
    for name in ("__init__", "a", "b"):
        (tmp_path / "prism_repro" / f"{name}.py").write_text(f"N = '{name}'\n")
    run("init", "-q"), run("add", "."), run("commit", "-qm", "records"), run("tag", "records")
    was, b = source_hash(["prism_repro.a"], tmp_path), source_hash(["prism_repro.b"], tmp_path)
    (tmp_path / "prism_repro/a.py").write_text("N = 'a'\nassert N\n")
    now = source_hash(["prism_repro.a"], tmp_path)
    committed = folder(tmp_path / "results/lift/records", was, a=1)
    for clone, code in (("before", was), ("after", now)):
        folder(tmp_path / clone / "results/lift/records", code, a=2)  # another machine's numbers
    write = lambda **more: same_code.write_same_code(tmp_path, "records", tmp_path / "before", tmp_path / "after", "it refuses more", **more)
    assert json.loads(write().read_text())["same"] == {now: was} and b not in write().read_text()
    assert same_code.same_hashes(tmp_path / "before", tmp_path) == {}, "nothing is known of a tree without sources"
    (tmp_path / "prism_repro/b.py").write_text("from prism_repro import c\n"), (tmp_path / "prism_repro/c.py").write_text("")
    anew = source_hash(["prism_repro.b"], tmp_path)
    assert json.loads(write().read_text())["same"] == {now: was, anew: b}
    assert json.loads(write(changed=["prism_repro.c"]).read_text())["same"] == {now: was}, "b imports what was changed"
    (committed / "a.json").write_text(to_text({"kind": "rollouts", "hashes": {"code": "?"}, "measurements": [1]}))
    with pytest.raises(RecordError, match="hashes.code"):
        write()


def test_every_committed_record_is_of_a_kind_that_is_known():
    today = {source_hash(modules) for modules in same_code.starts()}
    listed = json.loads(SAME.read_text())["same"] if SAME.is_file() else {}
    known = {listed.get(code, code) for code in today}
    for path in package_root().glob("results/*/records/*.json"):
        if code := json.loads(path.read_text()).get("hashes", {}).get("code"):
            assert code in known, f"{path.name} of {path.parents[1].name} was made by code that is neither today's nor listed as computing the same"
    assert set(listed) <= today, "the list has lines that no code of today has: write it anew"
