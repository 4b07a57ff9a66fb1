"""Tests of nbs/cli/98_plan.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import copy

import yaml

from prism_repro.cli.plan import main

PARAMS = {
    "profile": "tiny", "root": "../..", "params_file": "profiles/tiny/params.yaml",
    "demonstrations": {"lift_wide": {"n": 3, "first_seed": 0}},
    "observations": {"lift_wide": {"demonstrations": "lift_wide", "cameras": ["agentview"], "image_size": 40}},
    "common": {"cameras": ["agentview"], "crop_size": 36, "To": 1, "Tp": 8, "Ta": 4, "encoder": {"width": 8}, "seeds": [0], "rollouts": {"episodes": 2, "first_seed": 100000, "horizon": 10},
               "unet": {"down_dims": [8, 16], "step_embed_dim": 8, "kernel_size": 3, "n_groups": 4}, "train": {"steps": 9, "batch_size": 4, "warmup_steps": 2}},
    "grid": {"settings": {"Lift 2V-84": {"task": "lift_wide", "observations": "lift_wide"}}, "objectives": {"FM": {"num_steps": 2}}, "tables": {"table_4": {}}},
}  # fmt: skip


def house(tmp_path, **grid):
    path = tmp_path / "profiles/tiny/params.yaml"
    path.parent.mkdir(parents=True)
    params = copy.deepcopy(PARAMS)
    params["grid"] |= grid
    path.write_text(yaml.safe_dump(params))
    return path


def test_a_plan_is_printed_and_written_only_when_asked(tmp_path, capsys):
    path = house(tmp_path)
    before, call = path.read_bytes(), ["tiny", "--root", str(tmp_path)]
    assert main(call) == 0 and path.read_bytes() == before
    out = capsys.readouterr().out
    assert "out of step" in out and "lift_wide-prism-fm" in out and "table_4" in out and "2 missing" in out
    assert main([*call, "--write"]) == 0 and path.read_bytes().startswith(before) and "written" in capsys.readouterr().out
    assert main([*call, "--write"]) == 0 and "was in step" in capsys.readouterr().out
    assert main(call) == 0 and "out of step" not in capsys.readouterr().out


def test_stages_beside_the_cells_are_listed(tmp_path, capsys):
    house(tmp_path)
    pretrain = {"foreach": "${pretrain}", "do": {"wdir": "${root}", "cmd": "x ${key}", "outs": ["results/${profile}/records/${key}.json"]}}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"vars": [{"pretrain": {"mae": {}}}], "stages": {"pretrain": pretrain}}))
    call = ["tiny", "--root", str(tmp_path)]
    assert main(call) == 0
    out = capsys.readouterr().out
    assert "missing: mae" in out and "prism-repro run --profile tiny" in out and "make repro PROFILE=tiny" in out
    assert main([*call, "--for", "table_4"]) == 0 and "mae" not in capsys.readouterr().out


def test_less_than_one_core_is_refused(tmp_path, capsys):
    house(tmp_path)
    for cores in ("-3", "0"):
        assert main(["tiny", "--root", str(tmp_path), "--cores", cores]) == 2
        said = capsys.readouterr()
        assert f"--cores {cores}: at least 1" in said.err and not said.out


def test_mistakes_are_sentences(tmp_path, capsys):
    assert main(["nowhere", "--root", str(tmp_path)]) == 2 and "no profile 'nowhere'" in (said := capsys.readouterr().err) and "root of a clone" in said
    house(tmp_path, tables={"table_77": {}})
    assert main(["tiny", "--root", str(tmp_path)]) == 2 and "table_77" in capsys.readouterr().err
