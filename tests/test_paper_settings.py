"""Tests of nbs/paper/02_settings.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.paper.experiments import all_entries
from prism_repro.paper.settings import HYPER_TABLES, PARAMETERS, SETTINGS, Choice, Parameter, TableSetting, parameters


def test_rows_are_named_once_and_values_are_plain():
    assert len({p.place for p in PARAMETERS}) == len(PARAMETERS) == sum(len(parameters(t)) for t in HYPER_TABLES)
    for p in PARAMETERS:
        assert isinstance(p.recommended, (int, float, str, bool, tuple)), p
        assert p.paper is not None or p.sources or p.mark == "inferred", p  # somebody has it
        assert p.mark != "repo" or p.recommended in p.sources.values(), p
    with pytest.raises(KeyError, match="table_1 holds no hyper-parameters"):
        parameters("table_1")


def test_lost_numbers_are_not_given_as_the_papers():
    lost = {"Batch size (train)", "Number of epochs", "Learning rate", "Prediction horizon", "Down channels", "Train timesteps", "Sampling ratio", "EMA decay"}
    assert {p.row for p in PARAMETERS if p.row in lost and p.paper is None and p.mark != "paper"} == lost
    for printed, taken, mark in ((64, 64, "repo"), (None, 64, "paper"), (None, None, "repo"), (64, 32, "repo"), (None, 1, "guess")):
        with pytest.raises(ValueError, match="table_8, Batch"):
            Parameter("table_8", "Batch", printed, taken, mark)


def test_every_results_table_has_a_row_and_every_entry_a_mark():
    assert set(SETTINGS) == {e.table for e in all_entries()} - {"table_width"}
    for row in SETTINGS.values():
        choices = [getattr(row, name) for name in TableSetting.__annotations__ if name not in ("table", "views")]
        assert all(isinstance(c, Choice) for c in choices) and row.views
        for view in row.views.values():
            assert view.crop.value < view.pixels.value and view.crop.mark == "repo"
    with pytest.raises(ValueError, match="the mark 'guess'"):
        Choice(84, "guess")
    with pytest.raises(ValueError, match="only 'unknown' has no value"):
        Choice(None, "ours")


def test_toolhang_is_seen_from_the_side():
    for table in ("table_3", "table_4", "figure_4"):
        view = SETTINGS[table].views["1V-84"]
        assert (view.cameras.value, view.cameras.mark, view.pixels.value) == (("sideview",), "ours", 84)
    assert SETTINGS["figure_4"].epochs == Choice(200, "paper", "section 5.4") and SETTINGS["table_1"].epochs.mark == "ours"
