"""Tests of nbs/envs/36_instructions.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import numpy as np
import pytest

from prism_repro.envs.instructions import embedding
from prism_repro.envs.tasks import TASKS


def test_every_instruction_has_a_vector_and_no_two_the_same():
    spoken = [task for task in TASKS.values() if task.instruction]
    vectors = np.stack([embedding(task.instruction) for task in spoken])
    assert len(spoken) == 20 and vectors.dtype == np.float64
    assert all(task.low_dim["instruction"] == vectors.shape[1] for task in spoken)
    assert np.abs(vectors @ vectors.T - np.eye(20)).max() < 0.99
    embedding(spoken[0].instruction)[:] = 0
    assert np.linalg.norm(embedding(spoken[0].instruction)) == pytest.approx(1)  # a copy


def test_another_sentence_is_refused():
    with pytest.raises(ValueError, match="no vector for 'make coffee': the 20 sentences"):
        embedding("make coffee")
