"""Tests of nbs/grid/65_cells.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import copy

import pytest
import yaml

from prism_repro.grid.cells import cell_of, expand, in_step, wanted_by, write_sections
from prism_repro.paper.experiments import all_entries
from prism_repro.profiles import read_params

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
    assert list(expand(turned)["cells"]) == list(expand(PARAMS)["cells"]) and expand(turned) == expand(PARAMS)


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


def test_settings_of_a_stand_in_lie_under_the_objective():
    assert cell_of({"task": "t", "observations": "o", "objective": {"num_steps": 3}}, "SSPool", {"name": "FM"})["objective"] == {"num_steps": 3, "name": "FM"}


def test_cells_of_no_table():
    own = {"task": "lift_wide", "observations": "lift_wide", "encoder": {"name": "TDCA"}}
    sections = expand(changed(cells={"lift_wide-tdca-fm": own}))
    assert sections["cells"]["lift_wide-tdca-fm"] == own and wanted_by(sections)["lift_wide-tdca-fm"] == []
    with pytest.raises(ValueError, match="table's cell already"):
        expand(changed(cells={"square_42-prism-dp": own}))


def test_the_file_beside_is_what_the_grid_says_or_untouched(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(PARAMS))
    own = path.read_bytes()
    assert not in_step(path) and write_sections(path) and in_step(path) and not write_sections(path)
    assert read_params(path) == {**PARAMS, **expand(PARAMS)} and path.read_bytes() == own
    beside = tmp_path / "grid.json"
    text = beside.read_bytes()
    beside.write_bytes(text.replace(b"38", b"40"))
    assert not in_step(path) and write_sections(path) and beside.read_bytes() == text
    for params, message in ((changed(tables={"table_99": {}}), "table_99"), ({**PARAMS, "cells": {}}, "by hand"), ({"a": 1}, "profile")):
        path.write_text(yaml.safe_dump(params))
        with pytest.raises(ValueError, match=message):
            write_sections(path)
        assert beside.read_bytes() == text and len(list(tmp_path.iterdir())) == 2
