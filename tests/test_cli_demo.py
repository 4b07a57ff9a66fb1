"""Tests of nbs/cli/98_demo.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import shutil
import sys
from pathlib import Path

import pytest

from prism_repro.cli import demo
from prism_repro.cli.demo import LIMIT, find_policy, main, shipped

POLICY = Path(__file__).parent / "fixtures" / "lift_policy"


@pytest.mark.gl
@pytest.mark.slow
def test_a_real_policy_leaves_a_film_and_a_strip(tmp_path, capsys):
    from PIL import Image

    from prism_repro.results.films import read_mp4

    assert main(["--policy", str(POLICY), "--seed", "400001", "--out", str(tmp_path / "a/film.mp4")]) == 0
    said = capsys.readouterr().out
    assert "success" in said and str(tmp_path / "a/film.mp4") in said and str(tmp_path / "a/film.png") in said
    frames, strip = read_mp4((tmp_path / "a/film.mp4").read_bytes()), Image.open(tmp_path / "a/film.png")
    steps = int(said.split(" steps")[0].split()[-1])
    assert frames.shape == (steps + 1 + 10, 256, 256, 3) and strip.size == (6 * 256 + 5 * 4, 256)
    assert abs(frames[0].astype(float) - frames[-1]).mean() > 1  # something moved


def test_policies_are_found_by_name_and_by_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no trained policy to show. None came with it"):
        find_policy(None, tmp_path)
    for name in ("lite_prism", "lite_base"):
        shutil.copytree(POLICY, tmp_path / name)
    (tmp_path / "half").mkdir()
    (tmp_path / "half/config.json").write_text("{}")
    assert list(shipped(tmp_path)) == ["lite_base", "lite_prism"]
    assert find_policy(None, tmp_path).name == "lite_prism" and find_policy("lite_base", tmp_path).name == "lite_base" and find_policy(str(POLICY), tmp_path) == POLICY
    with pytest.raises(FileNotFoundError, match="no policy 'half'.*lite_base, lite_prism"):
        find_policy("half", tmp_path)


def test_shipped_policies_are_small_and_load():
    from prism_repro.policies.policy import Policy

    for folder in shipped().values():
        assert sum(f.stat().st_size for f in folder.iterdir()) <= LIMIT
        assert Policy.from_pretrained(folder).config["task"]


def test_what_is_missing_is_said(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None if name in ("mujoco", "robosuite") else object())
    assert main([]) == 2
    assert "needs mujoco, robosuite, which are not installed: pip install 'prism_repro[sim,repro]'" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert main(["--policy", "nosuch"]) == 1 and "no policy 'nosuch'" in capsys.readouterr().err
    assert main(["--out", "film.gif"]) == 2 and "end in .mp4" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
