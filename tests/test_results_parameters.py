"""Tests of nbs/results/87_parameters.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.results.parameters import candidates, counts, parameter_notes, parameter_rows, parameters_csv, parameters_tex, readings, write_table_parameters


def entry(variant, encoder, two, one, dim=64):
    return dict(variant=variant, dim=dim, encoder=encoder, policy=two, policies=[dict(cameras=2, unet="256", policy=two), dict(cameras=1, unet="256", policy=one)])


@pytest.fixture
def record():
    variants = {"Base": dict(name="Base"), "PRISM": dict(name="PRISM"), "PRISM, wide": dict(name="PRISM", attn_dim=256), "NoPool": dict(name="NoPool")}
    measured = [entry("Base", 1000, 10_000, 9_000), entry("PRISM", 1560, 11_410, 9_750), entry("PRISM, wide", 1600, 11_539, 9_900), entry("NoPool", 999, 11_540, 10_386, 4608)]
    return dict(config=dict(variants=variants, To=2), measurements=measured)


def test_the_nearest_reading_is_the_smallest_distance_among_prisms(record):
    near = candidates(record)[0]
    assert (near.variant, near.of, round(near.increase, 2)) == ("PRISM, wide", "policy, 2 cameras, UNet 256", 15.39)
    assert all(r.variant != "NoPool" for r in candidates(record)) and len(candidates(record)) == 6  # though NoPool's 15.40 % is nearer
    nearer = [r for r in readings(record) if r.distance < near.distance]
    assert {r.variant for r in nearer} == {"NoPool"}
    notes = parameter_notes(record)
    assert "in 6 ways, comes nearest as PRISM, wide, policy, 2 cameras" in notes[1] and "nearest is NoPool, policy, 2 cameras" in notes[1] and notes[2].startswith("Not identifiable") and notes[2].endswith("reproduces nothing.")


def test_moving_a_count_moves_the_answer(record):
    record["measurements"][2]["policies"][0]["policy"] = 12_000
    assert candidates(record)[0].variant == "PRISM" and round(candidates(record)[0].distance, 1) == 1.3


def test_counts_are_named_and_a_record_without_base_is_refused(record):
    assert list(counts(record["measurements"][0])) == ["encoder", "policy, 2 cameras, UNet 256", "policy, 1 camera, UNet 256"]
    header, rows = parameter_rows(record)
    assert all(len(row) == len(header) for row in rows) and rows[1][3] == "+56.0 %" and rows[0][3] == "-"
    record["measurements"] = record["measurements"][1:]
    with pytest.raises(ValueError, match="no variant 'Base'"):
        list(readings(record))


def test_files_repeat_and_say_not_run(record, tmp_path):
    first = [p.read_bytes() for p in write_table_parameters(tmp_path, "quick", record)]
    assert first == [p.read_bytes() for p in write_table_parameters(tmp_path, "quick", record)] and [len(b) > 200 for b in first] == [True] * 3
    assert parameters_csv(record).count("\n") == 1 + 4 * 3 and r"+15.4 \%" in parameters_tex("quick", record)
    assert all(b"not run" in p.read_bytes() for p in write_table_parameters(tmp_path, "quick", None))
