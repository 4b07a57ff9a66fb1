"""Tests of nbs/grid/68_same_code.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import subprocess

import pytest

from prism_repro.grid import same_code
from prism_repro.grid.states import package_root
from prism_repro.hashes import SAME, source_hash, to_text
from prism_repro.results.records import RecordError


def folder(path, **scores):
    path.mkdir(parents=True)
    for name, score in scores.items():
        kind = "latency" if name == "latency" else "rollouts"
        (path / f"{name}.json").write_text(to_text({"kind": kind, "hashes": {"code": str(path)}, "measurements": [score]}))
    (path / "a.machine.json").write_text("{}")
    return path


def test_records_are_compared_to_the_last_bit(tmp_path):
    old = folder(tmp_path / "old", a=0.1 + 0.2, b=1, latency=5)
    assert same_code.compare(old, folder(tmp_path / "same", a=0.1 + 0.2, b=1, latency=9)) == {"rollouts": 2}
    with pytest.raises(RecordError, match="a.json.*0.3"):
        same_code.compare(old, folder(tmp_path / "other", a=0.3, b=1))
    assert same_code.compare(old, folder(tmp_path / "some", b=1)) == {"rollouts": 1}
    for nothing in (old, tmp_path / "nowhere", folder(tmp_path / "clock", latency=5)):  # adopted, empty, a clock
        with pytest.raises(ValueError, match="made anew"):
            same_code.compare(old, nothing)


def test_the_list_points_from_todays_code_at_the_records(tmp_path, monkeypatch):
    run = lambda *args: subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *args], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.setattr(same_code, "starts", lambda: [("prism_repro.a",), ("prism_repro.b",)])
    (tmp_path / "prism_repro").mkdir()
    for name in ("__init__", "a", "b"):
        (tmp_path / "prism_repro" / f"{name}.py").write_text(f"N = '{name}'\n")
    run("init", "-q"), run("add", "."), run("commit", "-qm", "records"), run("tag", "records")
    was, b = source_hash(["prism_repro.a"], tmp_path), source_hash(["prism_repro.b"], tmp_path)
    (tmp_path / "prism_repro/a.py").write_text("N = 'a'\nassert N\n")
    for clone, code in ((tmp_path, was), (tmp_path / "fresh", "today's")):
        (clone / "results/lift/records").mkdir(parents=True)
        (clone / "results/lift/records/a.json").write_text(to_text({"kind": "rollouts", "hashes": {"code": code}, "measurements": [1]}))
    path = same_code.write_same_code(tmp_path, "records", tmp_path / "fresh", "it refuses more")
    assert json.loads(path.read_text())["same"] == {source_hash(["prism_repro.a"], tmp_path): was} and b not in path.read_text()
    (tmp_path / "results/lift/records/a.json").write_text(to_text({"kind": "rollouts", "hashes": {"code": "?"}, "measurements": [1]}))
    with pytest.raises(RecordError, match="hashes.code"):
        same_code.write_same_code(tmp_path, "records", tmp_path / "fresh", "it refuses more")


def test_every_committed_record_is_of_a_kind_that_is_known():
    today = {source_hash(modules) for modules in same_code.starts()}
    listed = json.loads(SAME.read_text())["same"] if SAME.is_file() else {}
    known = {listed.get(code, code) for code in today}
    for path in package_root().glob("results/*/records/*.json"):
        if code := json.loads(path.read_text()).get("hashes", {}).get("code"):
            assert code in known, f"{path.name} of {path.parents[1].name} was made by code that is neither today's nor listed as computing the same"
    assert set(listed) <= today, "the list has lines that no code of today has: write it anew"
