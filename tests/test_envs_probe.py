"""Tests of nbs/envs/32_probe.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import sys
import time

import pytest

pytest.importorskip("robosuite")

from prism_repro.envs import probe as module
from prism_repro.envs.probe import probe


@pytest.mark.gl
def test_a_probe_reports_what_draws_and_how_fast():
    found = probe("egl")
    assert found["ok"] and found["error"] is None and found["gl"]
    assert 0 < found["frame_ms"] < 200 and found["frame_ms"] < found["first_ms"]


def test_a_hanging_driver_is_ended_and_reported():
    start = time.perf_counter()
    found = probe("osmesa", seconds=0.01)
    assert not found["ok"] and found["error"] == "OpenGL drew nothing within 0.01 s" and time.perf_counter() - start < 40
    found = probe("osmesa", start_seconds=0.05, seconds=0.05)
    assert found["error"] == "loading the simulator took more than 0.05 s"


def test_an_unknown_back_end_is_reported_not_raised():
    found = probe("vulkan")
    assert not found["ok"] and "'vulkan', but the back ends are egl" in found["error"]


@pytest.mark.skipif(sys.platform != "linux", reason="there is always a window system elsewhere")
def test_no_display_is_reported(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    found = probe("glfw")
    assert not found["ok"] and "through glfw on this machine" in found["error"]


BLANK = """
import numpy as np
from prism_repro.envs.rendering import Renderer
Renderer.render = lambda self, data, camera, size: np.full((size, size, 3), 77, np.uint8)
"""


@pytest.mark.gl
def test_blank_frames_are_not_ok(monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLANK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = probe("egl")
    assert not found["ok"] and "blank" in found["error"]


@pytest.mark.gl
def test_all_back_ends_are_asked(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "probe", lambda backend: asked.append(backend) or dict(ok=backend != "egl", frame_ms=3.0))
    assert module.best_backend() == ("osmesa" if sys.platform == "linux" else asked[0])
    assert asked == (["egl", "osmesa", "glfw"] if sys.platform == "linux" else asked[:1])
