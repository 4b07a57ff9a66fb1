"""Tests of nbs/paper/01_experiments.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from prism_repro.paper.experiments import ENCODERS, VIEWS, all_entries
from prism_repro.paper.tables import OBJECTIVES


def test_every_entry_names_things_that_exist():
    for entry in all_entries():
        assert entry.encoder in ENCODERS and entry.views in VIEWS and entry.objective in OBJECTIVES, entry
        assert entry.std is None or entry.paper.mark == "paper", entry


def test_table_4_s_deviations_are_those_of_three_seeds_of_50_episodes():
    "Where the printed mean and deviation (n - 1) belong to three rates in steps of 2 %, both digits are as printed; the other rows are on another grid, and stand as they were proofread."
    from statistics import mean, stdev

    found = {(e.row, e.column): (e.paper.value, e.std) for e in all_entries() if e.table == "table_4"}
    seeds = {("FM Base.", "ToolHang"): (4, 4, 6), ("FM PRISM", "Can"): (90, 90, 98), ("FM PRISM", "Square"): (82, 86, 86), ("FM PRISM", "ToolHang"): (10, 14, 18), ("DP Base.", "Can"): (94, 96, 98),
             ("DP Base.", "Square"): (70, 76, 82), ("DP Base.", "ToolHang"): (4, 4, 8), ("DP PRISM", "Lift"): (94, 96, 100), ("DP PRISM", "Can"): (94, 96, 100), ("DP PRISM", "Square"): (70, 78, 84), ("DP PRISM", "ToolHang"): (8, 8, 22)}  # fmt: skip
    assert {key: found[key] for key in seeds} == {key: (round(mean(x), 1), round(stdev(x), 1)) for key, x in seeds.items()}
    assert {key: value for key, value in found.items() if key not in seeds} == {("FM Base.", "Lift"): (99.0, 1.0), ("FM Base.", "Can"): (90.0, 3.0), ("FM Base.", "Square"): (77.0, 4.0), ("FM PRISM", "Lift"): (96.7, 4.6), ("DP Base.", "Lift"): (97.0, 2.0)}  # fmt: skip


def test_table_2_s_digits_are_those_that_were_proofread():
    "Its means are rounded to whole points and its deviations appear nowhere else, so nothing follows from anything: weighted sums of means and deviations, as in the copy that was compared with the paper."
    from prism_repro.paper.experiments import _TABLE_2

    assert {name: sum((i + 1) * x for i, x in enumerate(x for pair in row for x in pair)) for name, row in _TABLE_2.items()} == {"DP": 254, "FM": 227, "MF": 390}
    assert [(e.paper.value, e.std) for e in all_entries() if e.table == "table_2" and e.row == "FM"] == [(65, 29), (3, 2), (9, 7)]


def test_every_encoder_can_be_built_and_is_asked_for():
    from prism_repro.vision.build import make_encoder

    asked = {entry.encoder for entry in all_entries()}
    for name, settings in ENCODERS.items():
        kind = {key: value for key, value in settings.items() if key not in ("shuffle", "when")}
        assert make_encoder(kind | {"width": 8}, 76).out_dim > 0
        assert name in asked or name in ("AvgPool-trunc", "TDCA"), name


def test_printed_rates_of_tables_3_and_5():
    found = {(e.table, e.place): e.paper.value for e in all_entries()}
    assert found["table_3", "MS-SSPool | ToolHang"] == 11.3 and found["table_5", "MF | 2V-240 PRISM"] == 44
    assert found["table_2", "MF | Can"] == 2 and found["table_2", "MF, one order a batch | Can"] is None
