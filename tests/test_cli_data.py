"""Tests of nbs/cli/97_data.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
import re
import shlex

import pytest

from prism_repro.cli.data import _parser, main


def test_bad_files_and_names_end_in_a_sentence_and_status_1(tmp_path, capsys):
    path = tmp_path / "a.hdf5"
    path.write_bytes(b"PK\x03\x04")
    for command in (["validate", str(path)], ["check", str(path)], ["add", str(path), "--folder", str(tmp_path / "real")]):
        assert main(command) == 1
        said = capsys.readouterr()
        assert "a.hdf5: file: expected an HDF5 file, found another format" in said.err and "Traceback" not in said.err
    assert main(["get", "lift/none", "--folder", str(tmp_path / "real")]) == 1 and "choose one of lift/ph" in capsys.readouterr().err
    assert main(["get"]) == 0 and "v1.5/square/mh/low_dim_v15.hdf5" in capsys.readouterr().out
    assert not (tmp_path / "real").exists()
    with pytest.raises(SystemExit):
        main(["sell"])


@pytest.mark.parametrize("task", ["lift", None])
def test_the_advice_of_a_refusal_can_be_followed(task):
    from prism_repro.demos.drift import Drift, Finding
    from prism_repro.demos.public import refusal

    said = refusal(Drift("my demos.hdf5", task, [Finding("version", "another one")]))
    args = _parser().parse_args(shlex.split(re.search("`prism-repro data (.+?)` takes it", said)[1]))
    assert (args.command, args.file, args.task, args.force) == ("add", "my demos.hdf5", task, True)


@pytest.mark.slow
def test_check_and_add_say_what_they_found(tmp_path, capsys):
    pytest.importorskip("robosuite")
    import h5py

    from prism_repro.demos.collect import collect

    path = tmp_path / "lift.hdf5"
    collect("lift", 2, path, workers=1, progress=False)
    assert main(["check", str(path)]) == 0 and "task lift; measured replayed_hand_mm 0." in capsys.readouterr().out
    assert main(["check", str(path), "--task", "can"]) == 1
    capsys.readouterr()
    with h5py.File(path, "r+") as file:
        args = json.loads(file["data"].attrs["env_args"]) | {"env_version": "1.4.0"}
        file["data"].attrs["env_args"] = json.dumps(args)
    command = ["add", str(path), "--folder", str(tmp_path / "real")]
    assert main(command) == 1 and "version: robosuite 1.4.0 recorded it" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0 and "taken by force" in capsys.readouterr().out
    note = json.loads((tmp_path / "real" / "lift.hdf5.json").read_text())
    assert note["forced"] and "1.4.0" in note["findings"][0]["sentence"]
