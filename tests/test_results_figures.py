"""Tests of nbs/results/83_figures.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import subprocess
import sys

import numpy as np
from matplotlib.figure import Figure

from prism_repro.results.figures import draw_strip, save_figure


def figure():
    found = Figure(figsize=(3, 2))
    draw_strip(found, 0.1, 0.1, 0.5, dict(frames=np.full((4, 16, 16, 3), 90, np.uint8), steps=np.arange(4)), "four frames")
    return found


def test_the_same_bytes_without_dates(tmp_path):
    before = [p.read_bytes() for p in save_figure(figure(), tmp_path, "quick", "figure_mine")]
    assert before == [p.read_bytes() for p in save_figure(figure(), tmp_path, "quick", "figure_mine")]
    assert b"<dc:date>" not in before[0] and b"Matplotlib v" not in before[0] and b"Software" not in before[1]
    assert [p.name for p in sorted((tmp_path / "figures/quick").iterdir())] == ["figure_mine.png", "figure_mine.svg"]


def test_frames_name_their_steps_and_a_missing_strip_says_so():
    labels = [t.get_text() for axes in figure().axes for t in axes.texts]
    assert labels == ["step 0", "step 1", "step 2", "step 3"]
    empty = Figure(figsize=(3, 2))
    draw_strip(empty, 0.1, 0.1, 0.5, None, "none")
    assert [t.get_text() for t in empty.texts] == ["none", "no rollout recorded"] and not empty.axes


def test_drawing_leaves_pyplot_alone():
    code = "import sys, prism_repro.results.figures; sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
