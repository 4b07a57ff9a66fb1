"""Train robomimic's own BC for one epoch with one of our encoders inside, from a robomimic JSON config. Prints one line of JSON.

    python train_bc.py CONFIG DATA FOLDER [--cut]    # --cut stops the gradient at the encoder on purpose
"""
import argparse
import contextlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
import robomimic.utils.file_utils as FileUtils
import robomimic.utils.train_utils as TrainUtils
from robomimic.algo import algo_factory
from robomimic.config import config_factory
from robomimic.scripts.train import train

from prism_repro.plugins import robomimic as plugin


def load_config(path: str, data: str, folder: str, cut: bool):
    "As robomimic's train.py does. Without a gradient two steps are enough."
    external = json.loads(Path(path).read_text())
    config = config_factory(external["algo_name"])
    with config.values_unlocked():
        config.update(external)
        config.train.data, config.train.output_dir = data, folder
        if cut:
            config.experiment.epoch_every_n_steps = 2
    config.lock()
    return config


def loss(model, config, keys) -> float:
    "robomimic's mean loss over the first training windows; images are cropped in the middle."
    trainset, _ = TrainUtils.load_data_for_training(config, obs_keys=keys)
    loader = torch.utils.data.DataLoader(trainset, batch_size=config.train.batch_size)
    return TrainUtils.run_epoch(model, loader, epoch=0, validate=True, num_steps=4)["Loss"]


def main(path: str, data: str, folder: str, cut: bool) -> dict:
    config = load_config(path, data, folder, cut)
    torch.set_num_threads(1)
    torch.set_num_threads = lambda n: None  # robomimic asks for two, which wait for each other on a busy machine
    if cut:
        forward = plugin.Core.forward
        plugin.Core.forward = lambda core, images: forward(core, images).detach()
    train(config, device=torch.device("cpu"))

    checkpoint = next(Path(folder).rglob("model_epoch_1*.pth"))
    contents = torch.load(checkpoint, weights_only=False)  # a pickle that this script has just made
    policy = FileUtils.policy_from_checkpoint(device=torch.device("cpu"), ckpt_dict=contents)[0]  # what robomimic rolls out
    policy.start_episode()
    trained = policy.policy
    torch.manual_seed(config.train.seed)  # where training began
    shapes, actions = contents["shape_metadata"]["all_shapes"], contents["shape_metadata"]["ac_dim"]
    fresh = algo_factory(config.algo_name, config, shapes, actions, torch.device("cpu"))
    before, after = (dict(model.nets.named_parameters()) for model in (fresh, trained))
    inside = [name for name in before if ".net." in name]
    cores = [module for module in trained.nets.modules() if isinstance(module, plugin.Core)]
    action = policy({key: np.full(shape, 0.5, np.float32) for key, shape in shapes.items()})
    keys = [key for group in config.observation.modalities.obs.values() for key in group]
    return dict(cores=[type(core).__name__ for core in cores], features=[core.output_shape() for core in cores],
                losses=[loss(model, config, keys) for model in (fresh, trained)], tensors=len(inside),
                moved=sum(not torch.equal(before[name], after[name]) for name in inside),
                action=action.tolist())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("config", "data", "folder"):
        parser.add_argument(name)
    parser.add_argument("--cut", action="store_true")
    given = parser.parse_args()
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        result = main(given.config, given.data, given.folder, given.cut)
    print(json.dumps(result), file=out)
