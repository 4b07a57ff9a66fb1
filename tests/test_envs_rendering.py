"""Tests of nbs/envs/30_rendering.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import os
import subprocess
import sys

import mujoco
import numpy as np
import pytest

from prism_repro.envs import rendering
from prism_repro.envs.rendering import Renderer, RenderSettings, agreed, choose_backend

SCENE = """<mujoco><worldbody><light pos="0 -1 3"/><geom type="plane" size="4 4 .1" rgba=".4 .4 .4 1" group="1"/>
<geom type="sphere" pos="0 0 .8" size=".25" rgba="1 0 0 1" group="1"/><camera name="front" pos="0 -2 .4" xyaxes="1 0 0 0 0 1"/></worldbody></mujoco>"""


def scene(xml=SCENE):
    model = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def test_frames_that_never_agree_are_an_error():
    counter = iter(range(100))
    frame = lambda: np.full((2, 2), next(counter))
    with pytest.raises(RuntimeError, match="6 renders of the same state gave 6 different frames"):
        agreed(frame, frame)
    assert next(counter) == 6


def test_settings_are_checked():
    for thin in (0.0, -1, 1.5):
        with pytest.raises(ValueError, match="choose a value in"):
            RenderSettings(thin=thin)
    with pytest.raises(ValueError, match="another version wrote this file"):
        RenderSettings.from_json('{"fast": true}')


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one back end")
def test_the_back_end_comes_from_the_environment(monkeypatch):
    for name in ("MUJOCO_GL", "PYOPENGL_PLATFORM"):
        monkeypatch.setenv(name, "")
    assert choose_backend() == "egl" and os.environ["PYOPENGL_PLATFORM"] == "egl"
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    with pytest.raises(ValueError, match="PYOPENGL_PLATFORM is 'egl' while MUJOCO_GL is 'osmesa'"):
        choose_backend()
    monkeypatch.setenv("MUJOCO_GL", "vulkan")
    with pytest.raises(ValueError, match="'vulkan', but the back ends are egl"):
        choose_backend()


@pytest.mark.gl
def test_an_injected_wrong_frame_is_caught(monkeypatch):
    "The first frame of a young context comes out dark, as has been seen; what `render` returns must be the right one."
    model, data = scene()
    renderer, honest = Renderer(model, size=32), Renderer._draw
    calls = []

    def dark_at_first(self, *args):
        calls.append(len(calls))
        frame = honest(self, *args)
        return frame // 5 if len(calls) == 1 else frame

    monkeypatch.setattr(Renderer, "_draw", dark_at_first)
    try:
        frame = renderer.render(data, 0, 32)
        assert np.array_equal(frame, honest(renderer, data, 0, 32)) and len(calls) == 3
        for _ in range(20):  # the rest of its youth costs two draws a frame; then it is trusted
            renderer.render(data, 0, 32)
        assert len(calls) == 3 + 20 + rendering.CHECKED_FRAMES - 1
    finally:
        renderer.close()


@pytest.mark.gl
def test_a_driver_that_draws_nothing_is_an_error(monkeypatch):
    model, data = scene()
    renderer = Renderer(model, size=32)
    monkeypatch.setattr(Renderer, "_draw", lambda self, data, camera, size: np.zeros((size, size, 3), np.uint8))
    try:
        with pytest.raises(RuntimeError, match="one flat colour"):
            renderer.render(data, 0, 32)
    finally:
        renderer.close()


@pytest.mark.gl
def test_one_renderer_at_a_time_and_another_after_it():
    model, data = scene()
    first = Renderer(model, size=32)
    before = first.render(data, 0, 32)
    with pytest.raises(RuntimeError, match="already has a renderer"):
        Renderer(model)
    first.close()
    first.close()
    with pytest.raises(RuntimeError, match="closed"):
        first.render(data, 0, 32)
    second = Renderer(model, size=16)
    after = second.render(data, 0, 32)  # larger than its buffer, which grows
    second.close()
    assert np.array_equal(before, after)


EXIT = """
import mujoco
from prism_repro.envs.rendering import Renderer
model = mujoco.MjModel.from_xml_string('''SCENE''')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = Renderer(model)
assert renderer.render(data, 0, 32).any()
"""


@pytest.mark.gl
def test_python_exits_without_an_egl_traceback():
    done = subprocess.run([sys.executable, "-c", EXIT.replace("SCENE", SCENE)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="glfw needs no X server elsewhere")
def test_a_back_end_that_cannot_draw_is_named():
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "PYOPENGL_PLATFORM")} | {"MUJOCO_GL": "glfw"}
    done = subprocess.run([sys.executable, "-c", EXIT.replace("SCENE", SCENE)], capture_output=True, text=True, env=env)
    assert done.returncode == 1 and "through glfw on this machine" in done.stderr and "prism-repro doctor" in done.stderr.splitlines()[-1]
