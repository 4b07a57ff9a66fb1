"""Tests of nbs/cli/99_main.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import importlib
import subprocess
import sys

from prism_repro.cli.main import COMMANDS, OF_THE_REPOSITORY, main


def test_every_command_has_a_main_and_helps():
    for name, (module, _) in COMMANDS.items():
        assert importlib.import_module(module).main.__doc__, name
        code = f"import sys; from prism_repro.cli.main import main; sys.exit(main(['{name}', '--help']))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0 and f"prism-repro {name}" in done.stdout, done.stdout + done.stderr


def test_commands_of_the_repository_say_so_elsewhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in OF_THE_REPOSITORY:
        assert main([name]) == 2
        assert "root of a clone" in capsys.readouterr().err
    assert main(["--version"]) == 0 and not list(tmp_path.iterdir())


def test_ctrl_c_is_a_sentence(monkeypatch, capsys):
    import prism_repro.cli.plan as plan

    def interrupted(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "main", interrupted)
    assert main(["plan", "quick"]) == 130 and capsys.readouterr().err == "\nprism-repro plan: interrupted.\n"


def test_unknown_commands_are_named(capsys):
    assert main(["trian"]) == 2
    assert "no command 'trian'" in capsys.readouterr().err
