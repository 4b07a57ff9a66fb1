"""Tests of nbs/paper/02_lines.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.paper.experiments import all_entries
from prism_repro.paper.lines import lines, make_line, slips

TABLES = ("table_1", "table_2", "table_3", "table_4", "table_5", "table_6", "table_7", "table_width", "figure_4", "figure_5")


def test_every_entry_has_exactly_one_line_of_its_own():
    for table in TABLES:
        own = [line.entries[0].place for line in lines(table) if len(line.entries) == 1 and line.entries[0].table == table]
        assert sorted(own) == sorted(e.place for e in all_entries() if e.table == table)
        assert len({(line.row, line.column) for line in lines(table)}) == len(lines(table))


def test_a_line_and_its_reference_answer_comparable_questions():
    for table in TABLES:
        for line in lines(table):
            if table != "figure_4":  # its last row is the baseline on larger images
                assert not line.reference or {q for e in line.entries for q in e.questions} <= {q for e in line.reference for q in e.questions}
                assert not line.reference or {e.objective for e in line.entries} == {e.objective for e in line.reference}
            assert bool(line.against) == bool(line.reference) and line not in line.reference


def test_printed_gains_and_worked_out_ones():
    by_name = {(line.table, line.row, line.column): line for t in TABLES for line in lines(t)}
    assert by_name["table_3", "SSPool-trunc", "ToolHang"].gain.value == 2.6 and by_name["table_3", "MS-SSPool", "ToolHang"].gain.value == 6.6
    assert by_name["table_3", "MS-SSPool", "ToolHang"].gain.mark == "inferred" and by_name["table_1", "AvgPool", "truncated Avg."].gain.mark == "paper"
    assert [by_name["table_1", h, "standard Avg."].gain.value for h in ("AvgPool", "MaxPool", "NoPool")] == [-8.9, -18.1, -19.3]
    assert by_name["table_5", "DP", "1V-240 PRISM"].gain.value == 20 and by_name["table_6", "PRISM", "LIBERO-10"].gain.value is None
    assert by_name["table_width", "MS-SSPool", "ToolHang"].against == "SSPool-192"


def test_only_three_numbers_are_slips_and_a_wrong_one_is_found(monkeypatch):
    assert [len(slips(t)) for t in TABLES] == [0, 1, 0, 2, 0, 0, 0, 0, 0, 0]
    import prism_repro.paper.lines as module

    monkeypatch.setitem(module._TRUNCATION, "MaxPool", (-1.3, -2.7, -6.2, -4.3))
    assert [str(s) for s in slips("table_1")] == ["Table 1, MaxPool, truncated Avg.: the gain is printed as -4.3; the printed numbers give -3.4."]


def test_an_unknown_table_is_named():
    with pytest.raises(KeyError, match="table_9"):
        lines("table_9")
    assert make_line("table_6", "a", "b", [e for e in all_entries() if e.table == "table_6"]).paper.value is None
