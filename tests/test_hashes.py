"""Tests of nbs/04_hashes.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro import hashes
from prism_repro.hashes import code_hash, code_modules, config_hash, to_text


@pytest.fixture
def package(tmp_path):
    files = {
        "pkg/__init__.py": "__version__ = '1'\nfrom pkg.low.b import shout\n",
        "pkg/low/__init__.py": "",
        "pkg/low/a.py": "'A.'\nfrom . import b\n\ndef f(x):\n    'Twice.'\n    return 2 * x\n",
        "pkg/low/b.py": "def shout():\n    from ..high import d\n    return d.N\n",
        "pkg/low/c.py": "Z = 0\n",
        "pkg/high/__init__.py": "",
        "pkg/high/d.py": "import json, numpy as np\nN = 1\n",
        "pkg/high/e.py": "from pkg.low.a import f\nimport pkg.low.c\n",
        "pkg/high/g.py": "from pkg import shout\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_followed(package):
    names = lambda *start: [n.removeprefix("pkg.") for n in code_modules([f"pkg.{s}" for s in start], package)]
    assert names("low.c") == ["low.c"]
    assert names("low.a") == ["high.d", "low.a", "low.b"]  # relative, and inside a function
    assert names("high.e") == ["high.d", "high.e", "low.a", "low.b", "low.c"]
    assert names("high.g") == ["pkg", "high.d", "high.g", "low.b"]  # a name from a package's __init__
    with pytest.raises(ModuleNotFoundError, match="no module pkg.low.z"):
        code_modules(["pkg.low.z"], package)


def test_the_code_hash_moves_with_the_code_alone(package):
    start, file = ["pkg.high.e"], package / "pkg/low/a.py"
    before, text = code_hash(start, package), file.read_text()
    file.write_text("# new comment\n" + text.replace("'Twice.'", "'Doubles.'").replace("2 * x", "(2*x)") + "\n__all__ = ['f']\n")
    assert code_hash(start, package) == before
    (package / "pkg/high/g.py").write_text("raise SystemExit\n")
    assert code_hash(start, package) == before  # not imported by it
    file.write_text(text.replace("2 * x", "3 * x"))
    assert code_hash(start, package) != before
    file.write_text(text)
    (package / "pkg/high/d.py").write_text("N = 2\n")
    assert code_hash(start, package) != before  # two imports away


def test_code_known_to_compute_the_same_keeps_its_results(package, monkeypatch):
    start, file = ["pkg.high.e"], package / "pkg/low/a.py"
    before, text = code_hash(start, package), file.read_text()
    file.write_text(text.replace("return", "assert x is not None\n    return"))
    now = hashes.source_hash(start, package)
    assert code_hash(start, package) == now != before
    monkeypatch.setattr(hashes, "same_code", lambda: {now: before})
    assert code_hash(start, package) == before and hashes.source_hash(start, package) == now
    file.write_text(text.replace("return 2", "return 3"))
    assert code_hash(start, package) not in (before, now)  # any other edit is other code


def test_the_tree_does_not_depend_on_the_python_version():
    source = "class A(B, k=1):\n    'Doc.'\n    x: int = None\n    async def f(self, a, /, *b, c=..., **d):\n        return [f'{a!r:>{c}}', {**d}, b'', 1j]\n"
    assert config_hash(hashes.syntax(hashes.ast.parse(source))) == "931d6442a202888853cfe44f6250f281d6d0982098e1e4eab83ed3901fef0644"


def test_what_json_cannot_hold_is_refused():
    assert config_hash({"a": (1, 2)}) == config_hash({"a": [1, 2]}) != config_hash({"a": [1.0, 2]})
    for value in ({"a": {1, 2}}, {"a": float("nan")}, {"a": b""}):
        with pytest.raises(TypeError, match="configuration holds something"):
            config_hash(value)
    with pytest.raises(ValueError):
        to_text([float("inf")])


def test_text_reads_back():
    import json

    value = {"b": [], "a": {"x": [1, [2.5e-7, True]], "ä": None}, "c": {}, "d": [{"k": []}]}
    assert json.loads(to_text(value)) == value
