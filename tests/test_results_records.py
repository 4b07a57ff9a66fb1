"""Tests of nbs/results/80_records.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import copy
import json
import os

import numpy as np
import pytest

from prism_repro.results import records
from prism_repro.hashes import config_hash
from prism_repro.results.layouts import RecordError
from prism_repro.results.records import frames_bytes, load_records, read_frames, read_record, record_hash, valid_record, write_record


ZERO = "0" * 64


def synthetic(cell="demo", encoder="SSPool", successes=((1, 0, 1), (0, 0, 1))):
    "A made-up record: one training seed per row of `successes`."
    config = dict(task="lift_wide", encoder={"name": encoder}, objective={"name": "FM"}, training={}, seeds=list(range(len(successes))), rollouts={})
    episode = lambda i, s: dict(seed=100000 + i, success=bool(s), length=40, actions_sha256=ZERO, final_state_sha256=ZERO)
    measured = [
        dict(seed=seed, checkpoint="last", weights="ema", steps=10, episodes=[episode(i, s) for i, s in enumerate(row)])
        for seed, row in enumerate(successes)
    ]
    hashes = dict(config=config_hash(config), data=ZERO, code=ZERO)
    return dict(schema=1, kind="rollouts", profile="quick", cell=cell, config=config, hashes=hashes, versions={},
                parameters=dict(dim=64, encoder=1, policy=2), measurements=measured)


def test_same_contents_same_bytes(tmp_path):
    record = synthetic()
    backwards = dict(reversed([(k, dict(reversed(v.items())) if isinstance(v, dict) else v) for k, v in record.items()]))
    a, b = (write_record(tmp_path / d / "demo.json", r).read_bytes() for d, r in (("a", record), ("b", backwards)))
    assert a == b and a.endswith(b"}\n") and read_record(tmp_path / "a/demo.json") == {**record, "evidence": None}
    assert record_hash(record) == record_hash(backwards) != record_hash(synthetic(successes=((1, 1, 1), (0, 0, 1))))
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["demo.json"]


@pytest.mark.parametrize(
    "field, change",
    [
        ("schema", lambda r: r.update(schema=0)),
        ("kind", lambda r: r.update(kind="probes")),
        ("hashes.data", lambda r: r["hashes"].update(data="abc")),
        ("hashes.config", lambda r: r["config"].update(task="lift")),
        ("parameters.policy", lambda r: r["parameters"].pop("policy")),
        ("config.encoder", lambda r: r["config"].update(encoder="SSPool")),
        ("measurements", lambda r: r.update(measurements=[])),
        ("measurements", lambda r: r["measurements"].append(r["measurements"][0])),
        ("measurements[*].seed", lambda r: r["measurements"].pop()),
        ("measurements[1].episodes", lambda r: r["measurements"][1]["episodes"].append(r["measurements"][1]["episodes"][0])),
        ("measurements[0].episodes[2].success", lambda r: r["measurements"][0]["episodes"][2].update(success=1)),
        ("measurements[0].episodes[1].length", lambda r: r["measurements"][0]["episodes"][1].update(length=True)),
        ("cell", lambda r: r.update(cell="other")),
    ],
)
def test_damage_is_named(tmp_path, field, change):
    record = copy.deepcopy(synthetic())
    change(record)
    path = tmp_path / "demo.json"
    path.write_text(json.dumps(record))
    with pytest.raises(RecordError) as info:
        read_record(path)
    assert info.value.field == field and str(path) in str(info.value) and info.value.found in str(info.value)
    with pytest.raises(RecordError):
        write_record(tmp_path / "new/demo.json", record)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 1, "schema": 1}', '{"schema": NaN}', "<<<<<<< HEAD\n{}", "\x00"])
def test_corrupt_and_foreign_files_are_refused(tmp_path, text):
    path = tmp_path / "demo.json"
    path.write_text(text)
    for read in (read_record, lambda p: valid_record(p, synthetic()["hashes"])):
        with pytest.raises(RecordError, match="demo.json"):
            read(path)


@pytest.mark.parametrize("old, new, said", [('"length": 40', '"length": NaN', "NaN is not JSON"), ('"dim": 64', '"dim": 64, "dim": 64', "appears twice")])
def test_strict_json_only(tmp_path, old, new, said):
    path = write_record(tmp_path / "demo.json", synthetic())
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RecordError, match=said):
        read_record(path)


def test_not_text_is_refused(tmp_path):
    (tmp_path / "demo.json").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(RecordError, match="unreadable"):
        read_record(tmp_path / "demo.json")


def test_adoption_needs_all_three_hashes(tmp_path):
    path, hashes = tmp_path / "demo.json", synthetic()["hashes"]
    assert valid_record(path, hashes) is None
    write_record(path, synthetic())
    assert valid_record(path, hashes)["cell"] == "demo"
    for name in ("config", "data", "code"):
        assert valid_record(path, {**hashes, name: "1" * 64}) is None


def test_evidence_is_checked(tmp_path):
    path, strip = tmp_path / "demo.json", np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3)
    content = frames_bytes(strip, [0, 5, 9], seed=0, episode=100002)
    assert content == frames_bytes(strip.copy(), [0, 5, 9], seed=0, episode=100002)
    write_record(path, synthetic(), evidence=content)
    frames = read_frames(tmp_path / "demo.npz")
    assert (frames["frames"] == strip).all() and frames["steps"].tolist() == [0, 5, 9] and int(frames["episode"]) == 100002
    (tmp_path / "demo.npz").write_bytes(content[:-1] + b"x")
    with pytest.raises(RecordError, match="evidence.sha256"):
        read_record(path)
    (tmp_path / "demo.npz").unlink()
    with pytest.raises(RecordError, match="missing"):
        read_record(path)
    assert valid_record(path, synthetic()["hashes"]) is None  # incomplete: the cell runs again
    outside = {**synthetic(), "evidence": {"file": "../x.npz", "bytes": 1, "sha256": ZERO}}
    path.write_text(json.dumps(outside))
    with pytest.raises(RecordError, match="beside the record"):
        read_record(path)


def test_oversized_evidence_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="over the limit of 300000"):
        frames_bytes(noise, range(8))
    with pytest.raises(RecordError, match="at most 300000 bytes"):
        write_record(tmp_path / "demo.json", synthetic(), evidence=noise.tobytes())
    with pytest.raises(ValueError, match="uint8 frames"):
        frames_bytes(noise.astype(float), range(8))
    assert list(tmp_path.iterdir()) == []


def test_a_record_in_another_cells_place_is_refused(tmp_path):
    cells = {"a": dict(task="lift_wide", encoder="SSPool", objective="FM"), "b": dict(task="lift_wide", encoder={"name": "PRISM"}, objective={"name": "FM"})}
    write_record(records.record_path(tmp_path, "quick", "a"), synthetic("a"))
    loaded = load_records(tmp_path, "quick", cells)
    assert loaded["a"]["cell"] == "a" and loaded["b"] is None
    write_record(records.record_path(tmp_path, "quick", "b"), synthetic("b", encoder="SSPool"))
    with pytest.raises(RecordError, match='config.encoder should be "PRISM", but is "SSPool"'):
        load_records(tmp_path, "quick", cells)
    write_record(records.record_path(tmp_path, "lite", "a"), synthetic("a"))
    with pytest.raises(RecordError, match="profile"):
        load_records(tmp_path, "lite", {"a": cells["a"]})


def test_an_interrupted_write_leaves_the_old_record(tmp_path, monkeypatch):
    path = write_record(tmp_path / "demo.json", synthetic())
    before = path.read_bytes()

    def power_cut(*args):
        raise OSError("no power")

    monkeypatch.setattr(os, "replace", power_cut)
    with pytest.raises(OSError):
        write_record(path, synthetic(successes=((0,), (0,))))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["demo.json"]
