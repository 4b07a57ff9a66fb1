"""Tests of nbs/cli/98_run.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import prism_repro.grid.run as module
from prism_repro.cli.run import main


def test_what_is_asked_arrives(monkeypatch):
    calls = []
    monkeypatch.setattr(module, "run", lambda *args, say: calls.append(args) or 7)
    assert main(["--profile", "gpu", "--for", "table_1", "figure_4", "--budget", "9m"]) == 7 and main([]) == 7
    assert calls == [(".", "gpu", ["table_1", "figure_4"], 540.0), (".", "quick", [], float("inf"))]


def test_mistakes_are_sentences(tmp_path, capsys):
    assert main(["--profile", "nowhere", "--root", str(tmp_path)]) == 2 and "no profile 'nowhere'" in capsys.readouterr().err
    assert main(["--budget", "3 weeks"]) == 2 and "no stretch of time" in capsys.readouterr().err
