"robomimic 0.3.0 imports mujoco-py for the name of one exception; robosuite 1.5 runs on mujoco."
import types

builder = types.SimpleNamespace(MujocoException=RuntimeError)
