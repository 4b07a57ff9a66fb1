"""Tests of nbs/05_weights.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json

import pytest
import safetensors.torch
import torch

from prism_repro.weights import CONFIG, WEIGHTS, load_weights, read_weights, write_weights


@pytest.fixture
def saved(tmp_path):
    return write_weights(tmp_path / "net", "net", {"a": 1}, {"w": torch.arange(6.0).view(2, 3), "b": torch.zeros(2)})


def test_round_trip_and_equal_bytes(saved, tmp_path):
    config, tensors = read_weights(saved, "net")
    assert config == {"a": 1} and torch.equal(tensors["w"], torch.arange(6.0).view(2, 3))
    again = write_weights(tmp_path / "again", "net", config, dict(reversed(tensors.items())))
    assert (again / WEIGHTS).read_bytes() == (saved / WEIGHTS).read_bytes() and (again / CONFIG).read_bytes() == (saved / CONFIG).read_bytes()


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
        read_weights(saved, "net")


def test_foreign_and_damaged_weights_are_refused(saved):
    path = saved / WEIGHTS
    whole = path.read_bytes()
    safetensors.torch.save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="expected kind 'net', found None"):
        read_weights(saved, "net")
    for damaged in (whole[:50], b"", b"\x80\x04pickle"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="not a readable safetensors file"):
            read_weights(saved, "net")


def test_differences_are_listed(saved):
    net = torch.nn.Module()
    net.w, net.c = torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.zeros(1))
    with pytest.raises(ValueError, match=r"3 of 2 tensors. b: expected nothing, found \[2\]; c: expected \[1\], found nothing; w: expected \[2, 2\], found \[2, 3\]"):
        load_weights(net, saved, read_weights(saved, "net")[1])


def test_a_crash_while_saving_leaves_the_old_files(saved, monkeypatch):
    before = (saved / WEIGHTS).read_bytes()
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_weights(saved, "net", {"a": 2}, {"w": torch.ones(1)})
    monkeypatch.undo()
    assert (saved / WEIGHTS).read_bytes() == before and read_weights(saved, "net")[0] == {"a": 1}


def rewritten(folder, change):
    "Write the folder's weights again with a changed note; the numbers stay as they are."
    with safetensors.safe_open(folder / WEIGHTS, framework="pt") as file:
        note, tensors = json.loads(file.metadata()["prism_repro"]), {name: file.get_tensor(name) for name in file.keys()}
    safetensors.torch.save_file(tensors, folder / WEIGHTS, {"prism_repro": json.dumps(change(note), sort_keys=True)})


def test_a_byte_that_turned_over_is_noticed(saved):
    path = saved / WEIGHTS
    whole = path.read_bytes()
    for at in (-1, -9, -32):  # 8 numbers of 4 bytes
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="model.safetensors holds other tensors than it was saved with: expected sha256 [0-9a-f]{12}, found [0-9a-f]{12}"):
            read_weights(saved, "net")
    path.write_bytes(whole)
    assert read_weights(saved, "net")[0] == {"a": 1}


def test_every_kind_of_tensor_comes_back(tmp_path):
    tensors = {"t": torch.ones(3, 4).T, "zero": torch.tensor(7), "none": torch.zeros(0, 2), "half": torch.ones(3, dtype=torch.bfloat16), "flags": torch.tensor([True, False])}
    back = read_weights(write_weights(tmp_path, "net", {}, tensors), "net")[1]
    assert all(torch.equal(back[name], x) and back[name].dtype == x.dtype for name, x in tensors.items()) and len(back) == len(tensors)


def test_a_folder_of_an_earlier_version_has_no_hash_of_its_tensors(saved):
    rewritten(saved, lambda note: {key: value for key, value in note.items() if key != "tensors_sha256"})
    assert torch.equal(read_weights(saved, "net")[1]["w"], torch.arange(6.0).view(2, 3))


@pytest.mark.parametrize("note, match", [([1], "expected kind 'net', found None"), (3, "expected kind 'net', found None"), ({"kind": "net", "version": 1}, "another configuration .* found None"),
                                         ({"kind": "net", "version": 2}, "expected version 1, found 2")])
def test_a_note_of_another_make_is_refused(saved, note, match):
    rewritten(saved, lambda _: note)
    with pytest.raises(ValueError, match=match):
        read_weights(saved, "net")
