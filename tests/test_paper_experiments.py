"""Tests of nbs/paper/01_experiments.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from prism_repro.paper.experiments import ENCODERS, VIEWS, all_entries
from prism_repro.paper.tables import OBJECTIVES


def test_every_entry_names_things_that_exist():
    for entry in all_entries():
        assert entry.encoder in ENCODERS and entry.views in VIEWS and entry.objective in OBJECTIVES, entry
        assert entry.std is None or entry.paper.mark == "paper", entry


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
