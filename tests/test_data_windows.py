"""Tests of nbs/data/21_windows.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import time

import h5py
import numpy as np
import pytest

from prism_repro.data.crops import random_crop
from prism_repro.data.schema import write_demos
from prism_repro.data.windows import Windows, batch_indices, window_steps


def by_hand(N, To, Tp, Ta):
    "Diffusion Policy's padding, one window at a time."
    out = []
    for s in range(-(To - 1), N - Tp + (Ta - 1) + 1):
        out.append([0 if t < 0 else N - 1 if t >= N else t for t in range(s, s + Tp)])
    return out


@pytest.mark.parametrize("N, To, Tp, Ta", [(8, 2, 16, 8), (20, 2, 16, 8), (43, 2, 16, 8), (12, 1, 16, 8), (30, 4, 8, 4), (5, 1, 1, 1), (6, 2, 4, 2)])
def test_padding(N, To, Tp, Ta):
    assert window_steps(N, To, Tp, Ta).tolist() == by_hand(N, To, Tp, Ta)


def test_hand_written_windows():
    assert window_steps(6, 2, 4, 2).tolist() == [[0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 5]]
    assert window_steps(9, 2, 16, 8).tolist() == [
        [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8, 8],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8, 8, 8],
    ]


LENGTHS = (12, 8, 40, 5, 20)


def make(path, lengths=LENGTHS, size=6, **kw):
    rng = np.random.default_rng(0)
    demos = [
        {
            "actions": rng.uniform(-1, 1, (n, 7)),
            "states": np.zeros((n, 2)),
            "obs": {"agentview_image": rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8), "robot0_eef_pos": rng.normal(size=(n, 3))},
            "model_file": "<mujoco/>",
        }
        for n in lengths
    ]
    kw = kw or {"mask": {"train": ["demo_0", "demo_2", "demo_3"], "valid": ["demo_1", "demo_4"]}}
    return write_demos(path, demos, attrs={"env_args": {"env_name": "Lift"}}, **kw), demos


def test_samples_are_slices_of_their_episode(tmp_path):
    path, demos = make(tmp_path / "a.hdf5")
    for split, members in (("train", (0, 2, 3)), ("valid", (1, 4)), (None, range(5))):
        windows = Windows.load(path, ["agentview"], {"robot0_eef_pos": 3}, split=split)
        expected = [(m, steps) for m in members for steps in by_hand(LENGTHS[m], 2, 16, 8)]
        assert len(windows) == len(expected)
        batch = windows.gather(np.arange(len(windows)))
        for i, (m, steps) in enumerate(expected):
            assert np.array_equal(batch["agentview"][i], demos[m]["obs"]["agentview_image"][steps[:2]])
            assert np.array_equal(batch["robot0_eef_pos"][i], demos[m]["obs"]["robot0_eef_pos"][steps[:2]].astype(np.float32))
            assert np.array_equal(batch["actions"][i], demos[m]["actions"][steps].astype(np.float32))
        assert windows.episode_of(np.arange(len(windows))) == [f"demo_{m}" for m, _ in expected]
        assert batch["agentview"].dtype == np.uint8 and batch["actions"].dtype == batch["robot0_eef_pos"].dtype == np.float32


def test_what_does_not_fit_is_mapped_from_disk(tmp_path, capsys):
    path, _ = make(tmp_path / "a.hdf5")
    load = lambda **kw: Windows.load(path, ["agentview"], {"robot0_eef_pos": 3}, **kw)
    resident = load()
    assert not isinstance(resident.arrays["agentview"], np.memmap) and capsys.readouterr().err == ""
    for again in range(2):  # made, then found
        mapped = load(memory=1000)
        assert isinstance(mapped.arrays["agentview"], np.memmap) and not mapped.arrays["agentview"].flags.writeable and mapped.digest() == resident.digest()
        assert f"{path}: 0.0 GB of images" in (said := capsys.readouterr().err) and "read from a memory map" in said
    index = np.arange(len(resident))
    assert np.array_equal(mapped.gather(index)["agentview"], resident.gather(index)["agentview"])
    crops = [random_crop(w.arrays["agentview"], 4, np.random.default_rng(0), w.rows(index)) for w in (resident, mapped)]
    assert np.array_equal(*crops) and len(list(tmp_path.glob("a.maps/*"))) == 1
    time.sleep(0.01)
    make(tmp_path / "a.hdf5", mask={"train": ["demo_4"], "valid": []})  # another file of that name is not mistaken for it
    assert np.array_equal(load(memory=1000).arrays["agentview"], load().arrays["agentview"])


def test_absolute_actions_are_another_dataset(tmp_path):
    path, demos = make(tmp_path / "a.hdf5")
    with pytest.raises(ValueError, match="data/demo_0/absolute_actions is missing"):
        Windows.load(path, ["agentview"], {}, actions="absolute")
    with h5py.File(path, "r+") as file:
        for name in file["data"]:
            file[f"data/{name}/absolute_actions"] = np.full((len(file[f"data/{name}/actions"]), 10), 3.0)
    assert (Windows.load(path, ["agentview"], {}, actions="absolute").arrays["actions"] == 3).all()


def test_digest_sees_data_and_horizons(tmp_path):
    load = lambda **kw: Windows.load(make(tmp_path / "a.hdf5")[0], ["agentview"], {"robot0_eef_pos": 3}, **kw)
    base = load()
    assert base.digest() == load().digest()
    assert len({base.digest(), load(Ta=4).digest(), load(split="valid").digest()}) == 3
    other = load()
    other.arrays["agentview"][3, 2, 1, 0] ^= 1
    assert other.digest() != base.digest()


def test_says_what_is_wrong(tmp_path):
    path, _ = make(tmp_path / "a.hdf5")
    (tmp_path / "zip.hdf5").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="zip.hdf5: file: expected an HDF5 file, found another format"):
        Windows.load(tmp_path / "zip.hdf5", ["agentview"], {})
    with pytest.raises(ValueError, match="a.hdf5: data/demo_0/obs/sideview_image is missing; the demo has .*agentview_image"):
        Windows.load(path, ["sideview"], {})
    with pytest.raises(ValueError, match=r"data/demo_0/obs/robot0_eef_pos: expected shape \(12, 4\), found \(12, 3\)"):
        Windows.load(path, [], {"robot0_eef_pos": 4})
    with h5py.File(path, "r+") as f:
        del f["data/demo_2/obs/agentview_image"]
        f["data/demo_2/obs/agentview_image"] = np.zeros((40, 5, 5, 3), np.uint8)
    with pytest.raises(ValueError, match=r"data/demo_2/obs/agentview_image: expected shape \(40, 6, 6, 3\)"):
        Windows.load(path, ["agentview"], {})
    with pytest.raises(ValueError, match="'valid' has no window: its 0 episodes"):
        Windows.load(make(tmp_path / "b.hdf5", valid_fraction=0)[0], ["agentview"], {}, split="valid")
    with pytest.raises(ValueError, match="its 2 episodes have at most 7 steps, and 8 are needed"):
        Windows.load(make(tmp_path / "c.hdf5", lengths=(7, 7), valid_fraction=0)[0], ["agentview"], {})
    with pytest.raises(ValueError, match=r"\['actions'\] do not have 9 rows"):
        Windows({"actions": np.zeros((8, 7), np.float32)}, ["demo_0"], [9])


def row(t, value, columns=7):
    "40 rows of zeros, and in row `t` the value."
    out = np.zeros((40, columns))
    out[t, columns - 1] = value
    return out


@pytest.mark.parametrize("where, value, message", [
    ("obs/agentview_image", np.ones((40, 6, 6, 3), np.float32), r"expected uint8 \[N H W 3\], found float32 \[40, 6, 6, 3\].*as bytes"),
    ("obs/agentview_image", np.ones((40, 3, 6, 6), np.uint8), r"expected .*found uint8 \[40, 3, 6, 6\]"), ("obs/agentview_image", np.ones((40, 6, 6), np.uint8), r"expected .*found uint8 \[40, 6, 6\]"),
    ("actions", row(3, np.nan), "expected finite values, found nan in row 3.*Repair this demo or leave it out"), ("actions", row(4, -1.01), r"expected values in \[-1, 1\], found -1.01 in row 4"),
    ("obs/robot0_eef_pos", row(39, np.inf, 3), "expected finite values, found inf in row 39"),
])
def test_values_that_nobody_can_learn_from_are_refused(tmp_path, where, value, message):
    path, _ = make(tmp_path / "a.hdf5")
    load = lambda **kw: Windows.load(path, ["agentview"], {"robot0_eef_pos": 3}, **kw)
    with h5py.File(path, "r+") as f:
        del f[f"data/demo_2/{where}"]
        f[f"data/demo_2/{where}"] = value
    for memory in (None, 0):
        with pytest.raises(ValueError, match=f"a.hdf5: data/demo_2/{where}: {message}"):
            load(memory=memory)
    assert len(load(split="valid")) and len(Windows.load(path, [], {"robot0_eef_pos": 3}, split="valid")), "demos of another split do not matter"


def test_values_at_the_limits_are_not_refused(tmp_path):
    path, _ = make(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as f:
        f["data/demo_0/actions"][0] = 1 + 1e-6  # rounding; `validate` passes it
        f["data/demo_0/obs/robot0_eef_pos"][0] = -3000
    assert Windows.load(path, ["agentview"], {"robot0_eef_pos": 3}).arrays["robot0_eef_pos"].min() == -3000


@pytest.mark.parametrize("cameras, low_dim, message", [
    ("agentview", {}, r"cameras='agentview'.*expected a list of names, as \['agentview'\]"), (None, {}, "cameras=None"), ([], {}, "needs something to observe"),
    (["agentview"], ["robot0_eef_pos"], r"low_dim=\['robot0_eef_pos'\]: expected.*a mapping of names to sizes"), (["agentview"], "robot0_eef_pos", "low_dim='robot0_eef_pos'")])
def test_names_that_are_no_list(tmp_path, cameras, low_dim, message):
    with pytest.raises(ValueError, match=message):
        Windows.load(make(tmp_path / "a.hdf5")[0], cameras, low_dim)


@pytest.mark.parametrize("n, batch_size", [(10, 4), (64, 64), (7, 20), (1000, 64)])
def test_batches_visit_every_window_once_an_epoch(n, batch_size):
    steps = 3 * n // batch_size + 2
    order = np.concatenate([batch_indices(n, batch_size, 5, k) for k in range(steps)])[: 3 * n].reshape(3, n)
    assert np.array_equal(np.sort(order, axis=1), np.tile(np.arange(n), (3, 1)))
    assert not np.array_equal(order[0], order[1])


def test_batches_depend_on_seed_and_step_alone():
    a = batch_indices(500, 32, 1, 17)
    for k in range(30):
        batch_indices(500 + k, 32, 2, k)  # whatever was asked before
    assert np.array_equal(a, batch_indices(500, 32, 1, 17)) and not np.array_equal(a, batch_indices(500, 32, 2, 17))


def test_loader_is_50_times_as_fast_as_the_reference():
    "Gather, random crop 84 -> 76, float32, two cameras, two frames; the reference loads 148 samples a CPU second."
    import time

    rng, T = np.random.default_rng(0), 2000
    arrays = {c: rng.integers(0, 256, (T, 84, 84, 3), dtype=np.uint8) for c in ("agentview", "robot0_eye_in_hand")}
    windows = Windows({**arrays, "actions": np.zeros((T, 7), np.float32)}, ["demo_0"], [T])
    best = np.inf
    for step in range(30):
        start = time.process_time()
        index = batch_indices(len(windows), 64, 0, step)
        batch = windows.gather(index, ["actions"])
        crops = [random_crop(windows.arrays[c], 76, rng, windows.rows(index)) for c in arrays]
        best = min(best, time.process_time() - start)
    assert crops[0].shape == (64, 2, 3, 76, 76) and batch["actions"].shape == (64, 16, 7)
    assert 64 / best > 7400, f"{64 / best:.0f} samples a CPU second"
