"""Tests of nbs/06_profiles.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import pytest

from prism_repro.profiles import merge, params_path, read_own, read_params, read_profile


def test_what_is_not_a_profile_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    for text, words in (("[1, 2]", "names its `profile`"), ("a: [", "not YAML"), ("profile: 3", "names its `profile`")):
        path.write_text(text)
        with pytest.raises(ValueError, match=words):
            read_own(path)
    path.write_text("profile: quick\ncells: {}\n")
    (tmp_path / "grid.json").write_text('{"cells": {}}')
    with pytest.raises(ValueError, match="cells by hand"):
        read_params(path)
    (tmp_path / "grid.json").write_text("{")
    with pytest.raises(ValueError, match="plan quick --write"):
        read_params(path)


def test_a_profile_is_found_by_name(tmp_path):
    (tmp_path / "profiles/lite").mkdir(parents=True)
    (tmp_path / "profiles/lite/params.yaml").write_text("profile: lite\n")
    (tmp_path / "profiles/lite/grid.json").write_text('{"cells": {"a": {}}}')
    assert read_profile(tmp_path, "lite") == {"profile": "lite", "cells": {"a": {}}}
    (tmp_path / "params.yaml").write_text("profile: lite\n")
    with pytest.raises(ValueError, match="is profile 'lite', not 'quick'"):
        read_profile(tmp_path, "quick")
    with pytest.raises(FileNotFoundError, match="there are: quick, lite"):
        params_path(tmp_path, "gpu")


def test_a_folder_without_profiles_is_no_clone(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        params_path(tmp_path, "quick")
    assert str(tmp_path) in str(raised.value) and "root of a clone" in str(raised.value) and "there are" not in str(raised.value)
    (tmp_path / "profiles/lite").mkdir(parents=True)
    (tmp_path / "profiles/lite/params.yaml").write_text("profile: lite\n")
    with pytest.raises(FileNotFoundError, match=r"there are: lite\.$"):
        params_path(tmp_path, "quick")
    with pytest.raises(FileNotFoundError, match="no parameter file .*nothing.yaml.* root of a clone"):
        read_own(tmp_path / "nothing.yaml")


def test_merging_changes_neither():
    base, over = {"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}, "c": [2]}
    assert merge(base, over) == {"a": {"b": 1, "d": 2}, "c": [2]} and base == {"a": {"b": 1}, "c": [1]} and over == {"a": {"d": 2}, "c": [2]}
