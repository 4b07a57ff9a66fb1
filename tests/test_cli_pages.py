"""Tests of nbs/cli/93_pages.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json

import pytest

from prism_repro.cli.pages import by_room, code_cells, contents, imported, plain_output, read_page, resolve, split_directives


def test_a_damaged_or_untitled_notebook_is_named(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text('{"cells": [')
    with pytest.raises(ValueError, match="x.ipynb is not a readable notebook"):
        read_page(path, "toy")
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "no title"}]}))
    with pytest.raises(ValueError, match="x.ipynb has no title"):
        read_page(path, "toy")


def test_a_heading_over_hidden_cells_goes_with_them(tmp_path):
    texts = [("markdown", "# T\n\n- skip_exec: true"), ("markdown", "text"), ("markdown", "## Tests"), ("code", "#| test\ndef test_x(): ...")]
    (tmp_path / "x.ipynb").write_text(json.dumps({"cells": [{"cell_type": kind, "source": text} for kind, text in texts]}))
    assert [c["source"] for c in read_page(tmp_path / "x.ipynb", "toy")["cells"]] == ["# T", "text"]


def test_directives_are_read_however_they_are_spaced():
    assert split_directives("#|hide\n\n# | echo : false\n\nx")[0] == {"hide": "", "echo": "false"}
    assert split_directives("x = 1\n#| hide")[0] == {}


def test_a_lab_book_without_module_shows_its_cells():
    cell = {"cell_type": "code", "source": "#| export\ndef f(): ...", "metadata": {"tags": ["parameters"]}, "outputs": []}
    (shown,) = code_cells(cell, "")
    assert shown["source"] == "def f(): ..." and shown["metadata"]["tags"] == ["parameters"]


def test_outputs_load_nothing_and_leave_out_progress_bars():
    widget = {"output_type": "display_data", "data": {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "bar"}, "metadata": {}}
    assert plain_output(widget)["data"] == {"text/plain": "bar"}
    assert plain_output({"output_type": "stream", "name": "stderr", "text": "10 %"}) is None
    hidden = {"cell_type": "code", "source": "#| output: false\nx", "outputs": [widget]}
    assert code_cells(hidden, "")[0]["outputs"] == []


def test_cells_with_magics_import_nothing():
    assert imported("%matplotlib inline\nfrom toy.a import b", "toy") == {}
    assert imported("from toy.a import b, c as d\nfrom other.a import e\nfrom toyish import g", "toy") == {"b": "toy.a.b", "d": "toy.a.c"}


def test_every_page_is_in_the_navigation():
    names = ["index", "z/1_a", "vision/10_resnet", "vision/11_pooling", "loose"]
    (cell,) = contents({n: {"title": n.upper(), "quote": ""} for n in names})
    assert all(f"[{n.upper()}]({n}.ipynb)" in cell["source"] and f"\n{n}\n" in cell["source"] for n in names[1:])
    assert list(by_room(names)) == ["", "vision", "z"]
    assert by_room(["pipeline/cell", "pipeline/demonstrations"]) == {"pipeline": ["pipeline/demonstrations", "pipeline/cell"]}


def test_a_doubtful_name_is_no_link():
    names = {"where": {"toy.a.train": "a", "toy.b.Net": "b", "toy.c.Net": "c"}, "modules": {"toy.a": "a"}, "scope": {"b": {"Net": "toy.b.Net"}}}
    assert resolve("train", "c", names) == ("a", "toy.a.train")
    assert resolve("train.py", "c", names) is None
    assert resolve("Net", "a", names) is None and resolve("Net.act", "b", names) == ("b", "toy.b.Net")
    assert all(resolve(text, "a", names) is None for text in ("", "a", "#| export", "x = train", "(train)"))
