"""Compare SSPool with robomimic's SpatialSoftmax: copied weights, maps of several shapes, temperatures other than one. Prints one line of JSON."""
import json

import torch
from robomimic.models.base_nets import SpatialSoftmax

from prism_repro.vision.pooling import SSPool, spatial_softmax

CASES = [(512, 3, 3, 1.0), (512, 5, 5, 1.0), (128, 10, 7, 1.0), (64, 4, 19, 0.5), (64, 19, 4, 2.0), (8, 2, 1, 0.1)]  # channels, height, width, temperature


def largest(difference) -> float:
    return difference.detach().abs().max().item()


def pair(channels, height, width, temperature):
    "The two modules with equal weights, and maps for them."
    theirs = SpatialSoftmax((channels, height, width), num_kp=32, temperature=temperature).eval()
    ours = SSPool(channels, num_kp=32, temperature=temperature)
    ours.conv.load_state_dict(theirs.nets.state_dict())
    return theirs, ours, torch.randn(8, channels, height, width) * 3


def differences(case) -> dict:
    "Largest differences: of the keypoints, of their gradient with respect to the maps, and of the keypoints with x and y swapped on purpose."
    theirs, ours, maps = pair(*case)
    a, b = maps.clone().requires_grad_(), maps.clone().requires_grad_()
    expected, found = theirs(a), ours(b).unflatten(1, (32, 2))
    weight = torch.randn_like(expected)
    (expected * weight).sum().backward()
    (found * weight).sum().backward()
    return dict(case=case, keypoints=largest(expected - found), gradient=largest(a.grad - b.grad), swapped=largest(expected - found.flip(2)))


def grid_difference(height=5, width=9) -> float:
    "A peak at one cell after the other reads the grid off: ours against the one that robomimic stores."
    theirs = SpatialSoftmax((1, height, width), num_kp=None)
    peaks = 1e4 * torch.eye(height * width).unflatten(1, (1, height, width))
    ours = spatial_softmax(peaks)[:, 0]
    return largest(ours - torch.cat([theirs.pos_x, theirs.pos_y]).T)


torch.manual_seed(0)
torch.set_num_threads(1)
print(json.dumps(dict(cases=[differences(case) for case in CASES], grid=grid_difference())))
