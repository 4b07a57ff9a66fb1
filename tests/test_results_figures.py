"""Tests of nbs/results/83_figures.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import copy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prism_repro.results.figures import choose_strip, figure_bytes, figure_lift, save_figure, strip_title
from prism_repro.hashes import config_hash
from prism_repro.results.records import RecordError, frames_bytes, load_records, record_path, write_record
from prism_repro.results.tables import ENCODERS, table_1_rows


ZERO = "0" * 64
CELLS = {f"lift_wide-{e.lower()}-fm": dict(task="lift_wide", encoder=e, objective="FM") for e in ENCODERS}


def synthetic(cell, encoder, counts=(3, 5), n=8):
    "A made-up record: one training seed per count."
    config = dict(task="lift_wide", encoder={"name": encoder}, objective={"name": "FM"}, training={}, seeds=list(range(len(counts))), rollouts={})
    hashes = dict(config=config_hash(config), data=ZERO, code=ZERO)
    episode = lambda i, k: dict(seed=100000 + i, success=i < k, length=40, actions_sha256=ZERO, final_state_sha256=ZERO)
    measured = [dict(seed=s, checkpoint="last", weights="ema", steps=10, episodes=[episode(i, k) for i in range(n)]) for s, k in enumerate(counts)]
    return dict(schema=1, kind="rollouts", profile="quick", cell=cell, config=config, hashes=hashes, versions={},
                parameters=dict(dim=64, encoder=1000, policy=123456), measurements=measured)


@pytest.fixture
def repository(tmp_path):
    "A repository with three synthetic records; each owns four frames, told apart by their grey."
    for grey, (cell, wanted) in enumerate(CELLS.items()):
        frames = np.full((4, 16, 16, 3), 50 * grey, np.uint8)
        strip = frames_bytes(frames, [0, 10, 20, 30], seed=1, episode=100006)
        write_record(record_path(tmp_path, "quick", cell), synthetic(cell, wanted["encoder"]), evidence=strip)
    body = "".join(f"  {c}: {{task: {w['task']}, encoder: {{name: {w['encoder']}}}, objective: {{name: FM}}}}\n" for c, w in CELLS.items())
    (tmp_path / "params.yaml").write_text("profile: quick\ncells:\n" + body)
    return tmp_path


def draw(root):
    rows = table_1_rows(CELLS, load_records(root, "quick", CELLS))
    return save_figure(figure_lift("quick", rows, choose_strip(root, "quick", rows)), root, "quick", "figure_lift")


def texts(figure):
    return [t.get_text() for axes in figure.axes for t in axes.texts] + [t.get_text() for t in figure.texts]


def test_same_records_same_bytes(repository):
    before = [p.read_bytes() for p in draw(repository)]
    assert before == [p.read_bytes() for p in draw(repository)]
    assert b"<dc:date>" not in before[0] and b"Matplotlib v" not in before[0] and b"Software" not in before[1]
    assert [p.name for p in sorted((repository / "figures/quick").iterdir())] == ["figure_lift.png", "figure_lift.svg"]


def test_the_strip_is_chosen_by_rule(repository):
    rows = table_1_rows(CELLS, load_records(repository, "quick", CELLS))
    row, strip = choose_strip(repository, "quick", rows)
    assert row.encoder == "PRISM" and strip["frames"].max() == 100
    assert strip_title(row, strip) == "PRISM, lift_wide, episode 100006: no success in 40 steps"
    assert strip_title(row, {k: strip[k] for k in ("frames", "steps")}) == "One rollout: PRISM, lift_wide"
    record_path(repository, "quick", "lift_wide-prism-fm").unlink()
    rows = table_1_rows(CELLS, load_records(repository, "quick", CELLS))
    assert choose_strip(repository, "quick", rows)[0].encoder == "AvgPool"


def test_what_was_not_run_says_so(repository):
    record_path(repository, "quick", "lift_wide-avgpool-fm").unlink()
    rows = table_1_rows(CELLS, load_records(repository, "quick", CELLS))
    said = texts(figure_lift("quick", rows))
    assert said.count("not run") == 1 and said.count("50.0 %  (8/16)\n[28.0, 72.0]") == 2 and "no rollout recorded" in said
    assert any("smoke run: proves the machine, not the paper" in t for t in said)
    empty = texts(figure_lift("lite", table_1_rows(CELLS, {})))
    assert empty.count("not run") == 3 and not any("smoke" in t for t in empty)


def test_damaged_evidence_stops_the_figure(repository):
    frames = record_path(repository, "quick", "lift_wide-prism-fm").with_suffix(".npz")
    frames.write_bytes(frames.read_bytes()[:-4])
    with pytest.raises(RecordError, match="evidence.sha256"):
        draw(repository)


def test_drawing_leaves_pyplot_alone():
    code = "import sys, prism_repro.results.figures; sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.slow
def test_the_lab_book_draws_the_figure(repository):
    import papermill

    notebook = Path(__file__).resolve().parents[1] / "nbs/results/figure_lift.ipynb"
    expected = [p.read_bytes() for p in draw(repository)]
    shutil.rmtree(repository / "figures")
    papermill.execute_notebook(notebook, repository / "out.ipynb", dict(profile="quick", root=str(repository)), kernel_name="python3", progress_bar=False)
    assert [(repository / f"figures/quick/figure_lift.{k}").read_bytes() for k in ("svg", "png")] == expected
