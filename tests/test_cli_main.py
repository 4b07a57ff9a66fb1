"""Tests of nbs/cli/99_main.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import importlib
import subprocess
import sys

from prism_repro.cli.main import COMMANDS, main


def test_every_command_has_a_main_and_helps():
    for name, (module, _) in COMMANDS.items():
        assert importlib.import_module(module).main.__doc__, name
        code = f"import sys; from prism_repro.cli.main import main; sys.exit(main(['{name}', '--help']))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0 and f"prism-repro {name}" in done.stdout, done.stdout + done.stderr


def test_unknown_commands_are_named(capsys):
    assert main(["trian"]) == 2
    assert "no command 'trian'" in capsys.readouterr().err
