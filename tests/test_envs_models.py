"""Tests of nbs/envs/35_models.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


import re

import pytest

pytest.importorskip("robosuite")

from prism_repro.envs.models import compile_model, differences, to_installed
from prism_repro.envs.robosuite import RobosuiteEnv


@pytest.fixture(scope="module")
def lift():
    return RobosuiteEnv("lift", None)


def compare(env, xml):
    return differences(compile_model(env._xml, "here"), compile_model(to_installed(xml, env._xml), "there"), env.task.object)


CHANGES = {  # what is changed: (pattern, replacement, a piece of what is said)
    "camera": (r'(<camera name="frontview" pos=")[^ ]*', r"\g<1>9", "camera 'frontview' has pos 9"),
    "friction": (r'<geom name="cube_g0" ', '<geom name="cube_g0" friction="0.5 0.005 0.0001" ', "geom 'cube_g0' has friction 0.5"),
    "colour": (r'material="cube_redwood_mat"', 'material="table_mat"', "geom 'cube_g0_vis' is made of table_mat, and of cube_redwood_mat here"),
    "body": (r'<body name="cube_main">', '<body name="cube_main"><body name="more" pos="0 0 0.1"><geom size="0.01" type="sphere"/></body>', "body 'more' is not in the installed model"),
    "gravity": (r'<option ', '<option gravity="0 0 -1" ', "option gravity"),
    "timestep": (r'<option ', '<option timestep="0.004" ', "option timestep is 0.004"),
    "gripper": (r'gripper0_right_finger_joint1', 'gripper0_finger_joint1', "'gripper0_right_finger_joint1' is missing"),
    "torque": (r'(ctrlrange=")-80', r"\g<1>-40", "ctrlrange -40"),
    "damping": (r'(<joint name="robot0_joint1"[^>]*damping=")[^"]*', r"\g<1>5", "dof_damping differ"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named(lift, name):
    pattern, new, said = CHANGES[name]
    changed, count = re.subn(pattern, new, lift.model_xml())
    assert count >= 1 and any(said in line for line in compare(lift, changed)), compare(lift, changed)


@pytest.mark.parametrize("task", ["can", "libero_spatial_0"])
def test_the_stored_model_weighs_what_the_simulated_one_did(task):
    if task.startswith("libero"):
        pytest.importorskip("libero")
    env = RobosuiteEnv(task, None)
    assert differences(env._env.sim.model._model, compile_model(env._xml, "there"), env.task.object) == []
    bare = re.sub("<compiler ", '<compiler inertiagrouprange="0 5" ', env._xml)  # as MuJoCo itself would read it
    assert any("has mass" in line for line in differences(env._env.sim.model._model, compile_model(bare, "there"), env.task.object))


def test_where_the_object_starts_and_how_large_it_is_may_differ(lift):
    xml = re.sub(r'(<body name="cube_main" pos=")[^"]*', r"\g<1>0.3 0.3 2", lift.model_xml())
    xml = re.sub(r'(<geom name="cube_g0"[^>]*size=")[^"]*', r"\g<1>0.0213 0.0201 0.0219", xml)
    assert xml.count("0.0213") == 1 and compare(lift, xml) == []


def test_a_content_type_of_another_version_is_dropped(lift):
    xml, here = lift.model_xml(), lift._xml
    typed = re.sub(r'(<(?:mesh|texture) [^>]*?)( file=")', r'\1 content_type="text/of-another-version"\2', xml)
    assert typed.count("content_type") > 5 and to_installed(typed, here) == to_installed(xml, here) and compare(lift, typed) == []
    with pytest.raises(ValueError, match="there does not compile"):
        compile_model(typed, "there")
    assert to_installed(typed, here.replace("<mesh ", '<mesh content_type="model/stl" ')).count("content_type") == typed.count("content_type"), "this one writes it, so it reads it"


def test_a_model_that_does_not_compile_is_named(lift):
    with pytest.raises(ValueError, match="mine does not compile with MuJoCo 3.3.7: .*no-such.png"):
        compile_model(to_installed(lift.model_xml().replace("red-wood.png", "no-such.png"), lift._xml), "mine")
    with pytest.raises(ValueError, match="mine does not compile"):
        compile_model("<mujoco><worldbody>", "mine")
