"""Tests of nbs/cli/98_bundle.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from prism_repro.cli.bundle import main


def test_what_it_cannot_do_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["quick"]) == 1 and "root of a clone" in capsys.readouterr().err
    (tmp_path / "params.yaml").write_text("profile: quick\nobservations: {o: {demonstrations: lift}}\ncells: {a: {task: lift, observations: o}}\n")
    assert main(["quick"]) == 1 and "data/quick/lift/demonstrations.hdf5 is missing" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.xz"))
