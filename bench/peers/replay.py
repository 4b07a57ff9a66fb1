"""Read a demonstration file with robomimic and play it in robomimic's own environment. Prints one line of JSON.

    python replay.py actions FILE    # from the stored model and first state, apply the stored actions
    python replay.py looks FILE      # restore stored states and compare what is seen there: low-dimensional keys and images
"""
import json
import sys

import h5py
import numpy as np
import robomimic.utils.env_utils as EnvUtils
import robomimic.utils.file_utils as FileUtils
import robomimic.utils.obs_utils as ObsUtils

LOW_DIM = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")


def environment(path: str, images: list[str]):
    "The environment that the file's env_args describe, made by robomimic."
    ObsUtils.initialize_obs_utils_with_obs_specs(dict(obs=dict(low_dim=list(LOW_DIM), rgb=images)))
    env = EnvUtils.create_env_from_metadata(FileUtils.get_env_metadata_from_dataset(dataset_path=path), use_image_obs=bool(images))
    env.postprocess_visual_obs = False  # bytes, as stored
    return env


def finish_restoring(env) -> None:
    """Tell the arm's controller that the state was replaced, which robomimic 0.3.0's `reset_to` leaves out.

    Without it the controller's first goal starts from the pose of another reset, and its posture term pulls towards the joints of that reset; a
    recording of robomimic's own environment drifts as much when robomimic replays it.
    """
    robot = env.env.robots[0]
    arm = robot.part_controllers["right"]
    arm.initial_joint, arm.new_update = np.array(env.env.sim.data.qpos[robot._ref_joint_pos_indexes]), True


def play(env, demo, complete: bool = True, late: int = 0) -> dict:
    "Apply the actions; how far the states are from the stored ones, and whether the task is solved. `late` delays the actions on purpose."
    states, actions, far = demo["states"][()], np.roll(demo["actions"][()], late, axis=0), 0.0
    env.reset_to(dict(states=states[0], model=demo.attrs["model_file"]))
    if complete:
        finish_restoring(env)
    for state, action in zip(states, actions):
        far = max(far, float(np.abs(env.get_state()["states"] - state).max()))
        env.step(action)
    return dict(success=bool(env.is_success()["task"]), states=far)


def actions(path: str, demos: h5py.Group) -> dict:
    env = environment(path, [])
    result = {name: dict(steps=len(demo["actions"]), as_is=play(env, demo, complete=False), restored=play(env, demo)) for name, demo in demos.items()}
    return dict(env=type(env).__name__, demos=result, late=play(env, demos["demo_0"], late=1))


def looks(path: str, demos: h5py.Group) -> dict:
    "Mean differences in levels of 0 to 255 (images, also when turned upside down on purpose) and largest ones (low-dimensional keys)."
    demo = demos["demo_0"]
    cameras = [key for key in demo["obs"] if key.endswith("_image")]
    env, result = environment(path, cameras), {}
    env.reset_to(dict(model=demo.attrs["model_file"], states=demo["states"][0]))
    for step in (0, len(demo["states"]) - 1):
        seen = env.reset_to(dict(states=demo["states"][step]))
        result[step] = {key: float(np.abs(seen[key] - demo["obs"][key][step]).max()) for key in LOW_DIM}
        for key in cameras:
            stored = demo["obs"][key][step].astype(float)
            result[step] |= {key: float(np.abs(seen[key] - stored).mean()), f"{key} upside down": float(np.abs(seen[key] - stored[::-1]).mean())}
    return result


with h5py.File(sys.argv[2], "r") as file:
    print(json.dumps(dict(actions=actions, looks=looks)[sys.argv[1]](sys.argv[2], file["data"])))
