"""Tests of nbs/paper/00_tables.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.paper.tables import PARAMETER_INCREASE, TOOLHANG_AVERAGE, Printed, short_horizon_mean, table_1, table_1_dim


def test_every_number_says_how_it_is_known():
    assert table_1("NoPool", "MF", "truncated") == Printed(73.1, "paper", "Table 1, NoPool, truncated ResNet-18, MF")
    assert [table_1_dim(p).value for p in ("SSPool", "AvgPool", "MaxPool", "NoPool")] == [64, 512, 512, 4608]
    assert (PARAMETER_INCREASE.value, PARAMETER_INCREASE.mark) == (15.4, "paper") and "not said" in PARAMETER_INCREASE.note
    assert {k: v.value for k, v in TOOLHANG_AVERAGE.items()} == {"Base.": 5.0, "PRISM": 13.4}


def test_the_copied_digits_of_tables_1_and_4_are_those_that_were_proofread():
    """Sums of each row, taken when the copy was compared with a second one, typed apart: a slip of a finger moves them, and the printed averages would let two slips in a row cancel.

    The weights tell columns apart, so that two exchanged numbers are seen, too.
    """
    from prism_repro.paper.tables import _TABLE_1, _TABLE_4_FM

    weigh = lambda values: round(sum((i + 1) * v for i, v in enumerate(values)), 1)
    assert {name: weigh((*standard, *truncated)) for name, (_, standard, truncated) in _TABLE_1.items()} == {"SSPool": 3239.5, "AvgPool": 2867.3, "MaxPool": 2502.7, "NoPool": 2605.6}
    assert {name: weigh(row) for name, row in _TABLE_4_FM.items()} == {"Base.": 510.0, "PRISM": 536.2}


def test_what_is_not_printed_is_refused_or_unknown():
    with pytest.raises(KeyError, match="no entry PRISM / FM / standard"):
        table_1("PRISM")
    with pytest.raises(KeyError, match="Its rows are SSPool"):
        table_1("SSPool", "DDPM")
    assert short_horizon_mean("TDCA").value is None
    with pytest.raises(ValueError, match="exactly when"):
        Printed(None, "paper", "Table 6")
    with pytest.raises(ValueError, match="has the mark"):
        Printed(1.0, "guess", "Table 6")
