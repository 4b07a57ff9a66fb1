"""Tests of nbs/grid/66_stages.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from pathlib import Path

import pytest
import yaml

import prism_repro
from prism_repro.grid.stages import LIMIT, Stage, fill_in, stages, upstream

ROOT = Path(prism_repro.__file__).parents[1]
repository = pytest.mark.skipif(not (ROOT / "dvc.yaml").exists(), reason="needs the repository, not an installed wheel")
PROFILES = ["quick", *sorted(path.parent.name for path in ROOT.glob("profiles/*/params.yaml"))]
PIPELINE = {
    "observations": {"foreach": "${observations}", "do": {"wdir": "${root}", "cmd": "render ${key} --size ${item.size}", "outs": [{"data/${profile}/${key}.hdf5": {"persist": True}}]}},
    "cell": {"foreach": "${cells}", "do": {"cmd": "train ${key}", "deps": ["code", "data/${profile}/${item.observations}.hdf5"], "params": [{"params.yaml": ["common", "cells.${key}"]}],
                                           "outs": [{"records/${key}.json": {"cache": False}}, "notes/${key}.json"]}},
    "table": {"cmd": "table ${flags.deep}", "deps": ["records"], "outs": ["table.md"]},
    "seed": {"foreach": ["a", "b"], "do": {"cmd": "echo ${item}"}},
}
PARAMS = {"profile": "quick", "root": ".", "params_file": "params.yaml", "flags": {"deep": True}, "observations": {"lift": {"size": 84}, "wide": {"size": 42}}, "cells": {"one": {"observations": "wide"}}}


def house(tmp_path, pipeline=PIPELINE, **params):
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": pipeline}, sort_keys=False))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS | params, sort_keys=False))
    return tmp_path


def as_dvc_resolves(root, profile) -> list[tuple]:
    from dvc.dvcfile import load_file
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        path = root / ("dvc.yaml" if profile == "quick" else f"profiles/{profile}/dvc.yaml")
        found = load_file(repo, str(path)).stages.values()
        at_root = lambda paths: [(Path(p.stage.wdir) / p.def_path).resolve().relative_to(root).as_posix() for p in paths]
        deps = lambda stage: [dep for dep in stage.deps if type(dep).__name__ != "ParamsDependency"]
        return sorted((stage.name, stage.cmd, sorted(at_root(deps(stage))), sorted(at_root(stage.outs))) for stage in found)


@repository
@pytest.mark.parametrize("profile", PROFILES)
def test_dvc_resolves_the_same(profile):
    pytest.importorskip("dvc")
    ours = sorted((s.name, s.cmd, sorted(s.deps), sorted(s.outs)) for s in stages(ROOT, profile))
    assert ours == as_dvc_resolves(ROOT, profile) and len(ours) >= 3


def test_dvc_resolves_templates_of_every_kind_the_same(tmp_path):
    main = pytest.importorskip("dvc.cli").main
    rows = {"+ MS-SS + TDCA (PRISM) | a.b": {"Lift 2V-84": "one"}, "Base. at 240 px | x": {"Can: 2V": "one"}}  # names that are awkward in YAML and in dotted paths
    tables = {"foreach": "${tables}", "do": {"cmd": "notebook ${key} --section tables.${key}", "params": ["tables.${key}"], "outs": ["${key}.md"]}}
    root = house(tmp_path, PIPELINE | {"tables": tables}, tables={"table_9": {"entries": rows, "stand_ins": {}}})
    assert main(["init", "--no-scm", "-q", str(root)]) == 0 or main(["--cd", str(root), "init", "--no-scm", "-q"]) == 0
    found = stages(root, "quick")
    assert sorted((s.name, s.cmd, sorted(s.deps), sorted(s.outs)) for s in found) == as_dvc_resolves(root.resolve(), "quick")
    assert found[2] == Stage("cell@one", "train one", ("code", "data/quick/wide.hdf5"), ("records/one.json", "notes/one.json"), ("common", "cells.one"))
    assert found[0].cmd == "render lift --size 84" and [s.name for s in found[-3:]] == ["seed@a", "seed@b", "tables@table_9"]


def test_a_section_that_a_profile_does_not_have_is_empty(tmp_path):
    house(tmp_path, PIPELINE | {"more": {"foreach": "${more}", "do": {"cmd": "x ${key}"}}})
    with pytest.raises(ValueError, match="more"):
        stages(tmp_path, "quick")
    text = (tmp_path / "dvc.yaml").read_text()
    (tmp_path / "dvc.yaml").write_text("vars: [grid.json, {more: {}, cells: {}}]\n" + text)
    assert [s.name for s in stages(tmp_path, "quick") if s.name.startswith(("more", "cell"))] == ["cell@one"]


def test_upstream_is_in_order_and_complete(tmp_path):
    found = stages(house(tmp_path), "quick")
    names = lambda stage: [s.name for s in upstream(found, stage)]
    table = next(s for s in found if s.name == "table")
    assert names(table) == ["observations@wide", "cell@one"]  # the other size is not asked for
    assert names(found[0]) == [] and names(found[2]) == ["observations@wide"]


@pytest.mark.parametrize("pipeline, words", [
    ({"a": {"cmd": "x ${nothing.there}"}}, ["stage a", "nothing.there", "params.yaml"]),
    ({"a": {"foreach": "${cells}", "do": {"cmd": "x ${item.size}"}}}, ["stage a@one", "item.size", "observations"]),
    ({"a": {"foreach": "${profile}", "do": {"cmd": "x"}}}, ["foreach", "'quick'"]),
    ({"a": {"cmd": "x ${cells}"}}, ["${cells}", "dict"]),
    ({"a": {"cmd": "x ${${profile}.n}"}}, ["dotted path"]),
    ({"a": {"cmd": "x", "wdir": "elsewhere"}}, ["wdir 'elsewhere'", "`root`"]),
    ({"a": {"cmd": "x", "matrix": {}}}, ["matrix"]),
])  # fmt: skip
def test_what_cannot_be_filled_in_is_said(tmp_path, pipeline, words):
    with pytest.raises(ValueError) as raised:
        stages(house(tmp_path, pipeline), "quick")
    assert all(word in str(raised.value) for word in words), raised.value


def test_a_profile_has_at_most_so_many_stages(tmp_path):
    cells = {f"c{i}": {"observations": "wide"} for i in range(LIMIT)}
    pipeline = {"cell": PIPELINE["cell"]}
    assert len(stages(house(tmp_path, pipeline, cells=cells), "quick")) == LIMIT
    with pytest.raises(ValueError, match=f"{LIMIT + 1} stages"):
        stages(house(tmp_path, pipeline, cells=cells | {"more": {"observations": "wide"}}), "quick")


def test_a_command_is_run_by_this_interpreter(tmp_path):
    import subprocess

    done = subprocess.run(Stage("x", "prism-repro --version", (), ()).argv, capture_output=True, text=True, cwd=tmp_path, env={"PATH": "", "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and done.stdout.startswith("prism_repro "), done.stderr
    assert Stage("x", "echo 'a b'", (), ()).argv == ["echo", "a b"] and fill_in(3, {}, "x") == 3
