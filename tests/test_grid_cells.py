"""Tests of nbs/grid/65_cells.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import copy

import pytest
import yaml

from prism_repro.grid.cells import cell_of, expand, in_step, lay_over, params_path, read_profile, split_text, to_yaml, wanted_by, write_sections
from prism_repro.paper.experiments import all_entries

LIFT = {"task": "lift_wide", "observations": "lift_wide", "note": "wider: \"10 cm\", not 3"}
PARAMS = {
    "profile": "small",
    "observations": {name: {"cameras": ["agentview", "robot0_eye_in_hand"]} for name in ("lift_wide", "square_42")},
    "common": {"cameras": ["agentview", "robot0_eye_in_hand"]},
    "grid": {
        "settings": {"Lift 2V-84": LIFT, "ToolHang 1V-84": {"task": "square", "observations": "square_42", "crop_size": 38, "cameras": ["agentview"]}},
        "objectives": {"FM": {"num_steps": 10}, "DP": {"num_steps": 10, "sampler": "DDIM"}},
        "tables": {"table_1": {"objectives": ["FM"], "tasks": ["Lift"]}, "table_3": {}, "table_4": {}, "figure_4": {}, "table_width": {}},
    },
}


def changed(**parts) -> dict:
    params = copy.deepcopy(PARAMS)
    params["grid"] |= parts
    return params


def test_everything_listed_is_expanded_once():
    sections = expand(PARAMS)
    names = {cell for part in ("tables", "figures") for table in sections[part].values() for row in table["entries"].values() for cell in row.values()}
    assert names == set(sections["cells"]) and sections == expand(copy.deepcopy(PARAMS))
    assert set(sections["tables"]) == {"table_1", "table_3", "table_4", "table_width"} and set(sections["figures"]) == {"figure_4"}
    assert sections["cells"]["square_42-prism-dp"] == {"task": "square", "observations": "square_42", "encoder": {"name": "PRISM"},
                                                       "objective": {"name": "DP", "num_steps": 10, "sampler": "DDIM"}, "crop_size": 38, "cameras": ["agentview"]}
    assert "Base. at 240 px | ToolHang" not in sections["figures"]["figure_4"]["entries"]  # nothing stands for 240 px
    assert all(set(row) == {"Lift 2V-84"} for row in sections["tables"]["table_1"]["entries"].values())
    assert set(sections["tables"]["table_4"]["stand_ins"]) == {"Lift 2V-84", "ToolHang 1V-84"} and set(sections["tables"]["table_1"]["stand_ins"]) == {"Lift 2V-84"}
    assert not any(name.endswith("-mf") for name in names) and wanted_by(sections)["square_42-sspool-fm"] == ["table_3", "table_4", "table_width", "figure_4"]


def test_places_are_those_of_the_paper():
    sections, places = expand(PARAMS), {(entry.table, entry.place): entry for entry in all_entries()}
    for part in ("tables", "figures"):
        for table, parts in sections[part].items():
            for place, row in parts["entries"].items():
                assert set(row) <= set(places[table, place].questions)


def test_the_order_of_what_is_said_changes_nothing():
    turned = changed(tables=dict(reversed(PARAMS["grid"]["tables"].items())), objectives=dict(reversed(PARAMS["grid"]["objectives"].items())))
    assert to_yaml(expand(turned), "small") == to_yaml(expand(PARAMS), "small")


@pytest.mark.parametrize("parts, words", [
    (dict(tables={"table_99": {}}), ["table_99", "table_1"]),
    (dict(tables={"table_1": {"objective": ["FM"]}}), ["'objective'", "objectives"]),
    (dict(tables={"table_1": {"tasks": ["Lfit"]}}), ["'Lfit'", "Square"]),
    (dict(tables={"table_3": {"tasks": ["Lift"]}}), ["'Lift'", "ToolHang"]),
    (dict(tables={"table_1": {"objectives": ["MF"]}}), ["'MF'", "grid.objectives"]),
    (dict(tables={"table_1": {"views": ["2V-42"]}}), ["'2V-42'", "2V-84"]),
    (dict(settings={"Lift 3V-84": LIFT}), ["'Lift 3V-84'", "Lift 2V-84"]),
    (dict(settings={"Lfit 2V-84": LIFT}), ["'Lfit 2V-84'"]),
    (dict(settings={"Lift 2V-84": {"task": "lift_wide"}}), ["no observations"]),
    (dict(settings={"Lift 2V-84": {"note": "nothing"}}), ["no task and no observations"]),
    (dict(settings={"Lift 2V-84": {**LIFT, "observations": "lift"}}), ["'lift'", "square_42"]),
    (dict(settings={"Lift 2V-84": {**LIFT, "cameras": ["sideview"]}}), ["'sideview'", "agentview"]),
    (dict(objectives={"Flow": {}}), ["'Flow'", "FM"]),
    (dict(colour="red"), ["'colour'"]),
    (dict(tables=None), ["no `grid`"]),
])  # fmt: skip
def test_unknown_names_are_refused_with_the_known_ones(parts, words):
    with pytest.raises(ValueError) as raised:
        expand(changed(**parts))
    assert all(word in str(raised.value) for word in words), raised.value


def test_a_name_stands_for_one_cell():
    clash = changed(settings={"Lift 2V-84": LIFT, "Can 2V-84": {**LIFT, "crop_size": 70}}, tables={"table_4": {}})
    with pytest.raises(ValueError, match="lift_wide-sspool-fm"):
        expand(clash)
    named = changed(settings={"Lift 2V-84": LIFT, "Can 2V-84": {**LIFT, "crop_size": 70, "name": "lift_70"}}, tables={"table_4": {}})
    assert len(expand(named)["cells"]) == 8 and "name" not in expand(named)["cells"]["lift_70-prism-dp"]
    same = changed(settings={"Lift 2V-84": LIFT, "Can 2V-84": {**LIFT, "note": "another word for it"}}, tables={"table_4": {}})
    assert len(expand(same)["cells"]) == 4


def test_settings_of_one_objective_do_not_leak_into_another():
    with pytest.raises(ValueError, match="laid under DP"):
        expand({**PARAMS, "common": {"objective": {"name": "FM", "num_steps": 10}}})


def test_laying_over_changes_neither_side():
    base, over = {"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3}, "d": [2], "e": {}}
    assert lay_over(base, over) == {"a": {"b": 3, "c": 2}, "d": [2], "e": {}} and base == {"a": {"b": 1, "c": 2}, "d": [1]} and over["a"] == {"b": 3}
    assert cell_of({"task": "t", "observations": "o", "objective": {"num_steps": 3}}, "SSPool", {"name": "FM"})["objective"] == {"num_steps": 3, "name": "FM"}


def write(path, params, head="# by hand  \n\n", tail=""):
    path.write_bytes((head + yaml.safe_dump(params, sort_keys=False) + tail).encode())
    return path.read_bytes()


@pytest.mark.parametrize("tail", ["", "# no line end", "\n\n# two more\n", "# räder\r\n"])
def test_the_text_above_stays_byte_for_byte(tmp_path, tail):
    path = tmp_path / "params.yaml"
    own = write(path, PARAMS, tail=tail)
    assert not in_step(path) and write_sections(path) and in_step(path) and not write_sections(path)
    above, below = split_text(path.read_bytes())
    assert above == own + (b"" if own.endswith(b"\n") else b"\n") and yaml.safe_load(path.read_bytes()) == {**PARAMS, **expand(PARAMS)}
    assert b"&" not in below and b"*" not in below  # no YAML aliases
    path.write_bytes(path.read_bytes().replace(b"sspool-fm: {", b"sspool-fm: {seeds: [3], "))
    assert not in_step(path) and write_sections(path) and split_text(path.read_bytes()) == (above, below)
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_expanded_leaves_the_file_alone(tmp_path):
    path = tmp_path / "params.yaml"
    for params, message in ((changed(tables={"table_99": {}}), "table_99"), ({**PARAMS, "cells": {}}, "by hand"), ({"a": 1}, "profile")):
        before = write(path, params)
        with pytest.raises(ValueError, match=message):
            write_sections(path)
        assert path.read_bytes() == before
    write(path, PARAMS)
    write_sections(path)
    path.write_bytes(path.read_bytes() + split_text(path.read_bytes())[1])
    with pytest.raises(ValueError, match="2 lines"):
        write_sections(path)


def test_profiles_are_found_or_named(tmp_path):
    write(tmp_path / "params.yaml", {"profile": "quick", "cells": {"a": {}}})
    assert in_step(params_path(tmp_path, "quick")) and read_profile(tmp_path, "quick")["cells"] == {"a": {}}  # without a grid, cells are written by hand
    with pytest.raises(FileNotFoundError, match="'lite'.*there are: quick"):
        read_profile(tmp_path, "lite")
    (tmp_path / "profiles/lite").mkdir(parents=True)
    write(tmp_path / "profiles/lite/params.yaml", {"profile": "light"})
    with pytest.raises(ValueError, match="profile: lite"):
        read_profile(tmp_path, "lite")
