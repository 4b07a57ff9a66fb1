"""Tests of nbs/cli/98_ray.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import sys

from prism_repro.cli.ray import main, pipeline_of


def test_what_it_cannot_do_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["quick"]) == 2 and "there is none. Run it in the root of a clone." in capsys.readouterr().err
    (tmp_path / "profiles/gpu").mkdir(parents=True)
    for file in ("dvc.yaml", "profiles/gpu/dvc.yaml"):
        (tmp_path / file).write_text("stages: {}\n")
    assert pipeline_of("gpu") == "profiles/gpu/dvc.yaml" and pipeline_of("quick") == "dvc.yaml"
    assert main(["lite"]) == 2 and "there is quick, gpu" in capsys.readouterr().err
    for wrong in (["--gpus", "-1"], ["--gpus", "1.5"], ["--cpus", "0"], ["--cpus", "nan"], ["--gpus", "inf"]):
        assert main(["quick", *wrong]) == 2 and "is no share" in capsys.readouterr().err
