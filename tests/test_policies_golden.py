"""Tests of nbs/policies/56_golden.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from pathlib import Path

import pytest
import safetensors.torch
import torch

from prism_repro.policies import golden as module
from prism_repro.policies.golden import difference, every, golden

FILE = Path(__file__).parent / "golden" / "policies.safetensors"


@pytest.fixture(scope="module")
def remembered():
    return safetensors.torch.load_file(FILE)


@pytest.mark.parametrize("encoder, objective", list(every()))
def test_every_encoder_and_objective_gives_what_it_gave(remembered, encoder, objective):
    for name, found in golden(encoder, objective).items():
        off = difference(found, remembered[f"{encoder}/{objective}/{name}"])
        assert off < 1e-4, f"{encoder}/{objective}/{name} differs by {off:.1e}. If that is meant, `make golden` writes {FILE.name} anew."


def test_the_file_is_small_and_holds_nothing_else(remembered):
    assert FILE.stat().st_size < 2_000_000
    assert {name.rpartition("/")[0] for name in remembered} == {f"{e}/{o}" for e, o in every()}


def test_a_changed_formula_is_noticed(remembered, monkeypatch):
    from prism_repro.vision import pooling

    real = pooling.spatial_softmax
    monkeypatch.setattr(pooling, "spatial_softmax", lambda features, temperature=1.0: real(features, 1.001 * temperature))
    assert difference(golden("SSPool", "FM")["gradient"], remembered["SSPool/FM/gradient"]) > 1e-4
