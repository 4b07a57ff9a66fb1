"""Tests of nbs/cli/98_release.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from prism_repro.cli import check, release as releases
from prism_repro.cli.release import build, check_changelog, check_citation, check_files, check_repository, main

GOOD = {
    "settings.ini": "[DEFAULT]\nversion = 1.2.0\n", "CHANGELOG.md": "# Changelog\n\n## 1.2.0 (today)\n\n- All.\n\n## 1.1.0\n\n- Some.\n",
    "CITATION.cff": "cff-version: 1.2.0\nmessage: cite\ntitle: t\nauthors: [{name: us}]\nversion: 1.2.0\n", "LICENSE": "MIT\n", ".gitignore": "dist/\nbuild/\n*.egg-info/\n",
    "setup.py": "from setuptools import setup\nsetup(name='prism_repro', version='1.2.0', packages=['prism_repro'], package_data={'prism_repro': ['assets/*']}, long_description='x', license_files=['LICENSE'])\n",
    "prism_repro/__init__.py": "", "prism_repro/assets/a.npz": "x",
}


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "r"
    for name, text in GOOD.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "init", "-q")
    commit(root)
    return root


def git(root, *words):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=root, check=True, capture_output=True)


def commit(root):
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")


def fake_build(root, out):
    "What `build` makes, without an environment of its own."
    subprocess.run([sys.executable, "setup.py", "-q", "sdist", "-d", str(out), "bdist_wheel", "-d", str(out)], cwd=root, check=True, capture_output=True)
    return sorted(Path(out).iterdir())


def test_a_good_release_says_what_to_do_next(repository, monkeypatch, capsys):
    monkeypatch.setattr(releases, "build", fake_build)
    monkeypatch.setattr(check, "out_of_step", lambda root: [])
    assert main(["--root", str(repository)]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "git tag -a v1.2.0" in said and said.count("sha256") == 2 and "prism_repro-1.2.0" in said
    assert main(["--root", str(repository)]) == 1 and "holds an earlier build" in capsys.readouterr().err


def test_everything_that_is_wrong_is_said_at_once(repository, monkeypatch, capsys):
    monkeypatch.setattr(releases, "build", fake_build)
    monkeypatch.setattr(check, "out_of_step", lambda root: ["README.md is out of step."])
    (repository / "CHANGELOG.md").write_text("## 1.1.0\n\n- Some.\n")
    (repository / "CITATION.cff").write_text("version: 1.1.0\n")
    git(repository, "tag", "v1.2.0")
    assert main(["--root", str(repository)]) == 1
    said = capsys.readouterr().err
    for part in ("no section '## 1.2.0'; it has 1.1.0", "says version 1.1.0", "no 'authors'", "not committed (2)", "v1.2.0 is a tag already", "README.md is out of step"):
        assert part in said, part


def test_files_that_setup_forgot_are_named(repository):
    (repository / "prism_repro/assets/weights").mkdir()
    (repository / "prism_repro/assets/weights/model.safetensors").write_text("w")
    commit(repository)
    problems = check_files(repository, fake_build(repository, repository / "dist"), "1.2.0")
    assert any(".whl lacks 1 files of the package: prism_repro/assets/weights/model.safetensors" in p and "package_data" in p for p in problems)
    assert any("Expected one wheel of version 1.3.0" in p for p in check_files(repository, sorted((repository / "dist").iterdir()), "1.3.0"))


@pytest.mark.parametrize("text, said", [
    ("## 1.2.0 (unreleased)\n\n- a\n", "calls 1.2.0 unreleased"), ("## 1.2.0\n\n## 1.1.0\n\n- a\n", "nothing to say"), ("## 1.2.01\n\n- a\n", "no section"), ("", "no section at all"),
])
def test_changelogs(text, said):
    assert any(said in problem for problem in check_changelog(text, "1.2.0"))


def test_citations_and_folders_that_are_none(tmp_path):
    assert "not YAML" in check_citation("a: [", "1")[0] and "should be a mapping" in check_citation("- a", "1")[0]
    assert any("each should have a name" in p for p in check_citation("authors: [x]\nversion: '1'\n", "1"))
    assert "not a git repository" in check_repository(tmp_path, "1")[0]


@pytest.mark.slow
def test_a_build_that_fails_says_why(tmp_path):
    (tmp_path / "setup.py").write_text("raise SystemExit('no such thing')\n")
    with pytest.raises(RuntimeError, match="was not built"):
        build(tmp_path, tmp_path / "dist")
