"""Tests of nbs/cli/96_cells.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import json
from pathlib import Path

import pytest

import prism_repro
from prism_repro.cli.cells import cell_problems, snippet, unknown_names, unmarked_tests

ROOT = Path(prism_repro.__file__).parents[1]


def code(*lines):
    return dict(cell_type="code", source=[line + "\n" for line in lines])


def prose(text):
    return dict(cell_type="markdown", source=text)


def repository(tmp_path, *cells):
    (tmp_path / "nbs").mkdir()
    (tmp_path / "nbs/bad.ipynb").write_text(json.dumps(dict(cells=cells)))
    return tmp_path


def test_a_test_outside_a_test_cell_is_named_with_its_next_step(tmp_path):
    [problem] = cell_problems(repository(tmp_path, prose("# Demo"), code("#| test", "def test_a(): ..."), code("", "#| test", "class TestB:", "    def test_b(self): ...")))
    assert problem.startswith("nbs/bad.ipynb, cell 3: test_b stands in a cell without `#| test`") and "first line is `#| test`" in problem


def test_a_snippet_that_borrows_is_named_with_its_next_step(tmp_path):
    root = repository(tmp_path, code("import numpy as np"), prose("## Use this in your own code\n\nText."), code("print(np.pi)"), code("#| test", "borrowed()"))
    [problem] = cell_problems(root)
    assert problem.startswith("nbs/bad.ipynb, cell 3: 'Use this in your own code' uses 'np',") and "import or define it there" in problem


def test_cells_that_keep_their_word_pass(tmp_path):
    root = repository(tmp_path, code("#| test", "async def test_a(): ..."), prose("Text\n\n## Use it in your own code"), code("#| eval: false", "import numpy as np", "%matplotlib inline"), code("np.pi"))
    assert cell_problems(root) == []


def test_a_section_ends_with_the_next_heading_of_its_level():
    cells = [code("a"), prose("## Use this in your own code"), code("b"), prose("### More"), code("c"), prose("# Other"), code("d"), prose("### Use this in your own code"), code("e")]
    assert snippet(cells) == [(2, "b\n"), (4, "c\n"), (8, "e\n")]


@pytest.mark.parametrize("source, missing", [
    ("x", ["x"]), ("x = x", ["x"]), ("x += 1", ["x"]), ("print(f'{x}')", ["x"]), ("import a.b; a, b", ["b"]), ("from a import b as c; b", ["b"]), ("f(g := 1)", ["f"]),
    ("[x for x in y]", ["y"]), ("[x for x in 'ab']; x", ["x"]), ("[y for x in 'ab']", ["y"]), ("{k: v for k, v in {}.items() if w}", ["w"]), ("[(last := x) for x in 'ab']; last", []),
    ("(lambda a, *b, c=d, **e: (a, b, c, e, g))", ["d", "g"]), ("def f(a=b):\n    global h\n    h = a\n    return c\nh", ["b", "c"]), ("def f(): return later\nlater = 1", []),
    ("f()\ndef f(): ...", ["f"]), ("class A(B):\n    y = 1\n    z = y\n    def m(self): return __name__, w", ["B", "w"]), ("for i in range(3): j = i\ni, j", []),
    ("with open('f') as file: file", []), ("try: int('a')\nexcept ValueError as error: print(error)", []), ("@decorate\ndef f(): ...", ["decorate"]), ("def f():\n    a = 1\n    return [a for _ in range(2)]", [])])
def test_scopes_are_pythons(source, missing):
    assert unknown_names([source]) == [missing]


def test_cells_are_pasted_in_order():
    assert unknown_names(["a = 1", "a, b", "b = 2"]) == [[], ["b"], []]


@pytest.fixture
def repo():
    if not (ROOT / "nbs").exists():
        pytest.skip("needs the repository, not an installed wheel")
    return ROOT


def test_all_notebooks_keep_their_word(repo):
    assert cell_problems(repo) == []


def test_every_notebook_that_the_front_page_offers_ends_with_lines_to_paste(repo):
    "README: 'Each of these notebooks ends with three lines to paste.'"
    import re

    cells = json.loads((repo / "nbs/index.ipynb").read_text())["cells"]
    table = next(text for c in cells if "| you want | take | read |" in (text := "".join(c["source"])))
    offered = re.findall(r"\]\(([a-z]\w*/\w+\.ipynb)\)", table)
    assert len(offered) > 40
    assert [name for name in offered if not snippet(json.loads((repo / "nbs" / name).read_text())["cells"])] == []
