"""Compare ConditionalUnet1D with Diffusion Policy's for copied weights. Prints one line of JSON.

    python check_unet.py            # against robomimic 0.5's copy of Diffusion Policy's network
    python check_unet.py CLONE      # against diffusion_policy/model/diffusion/conditional_unet1d.py of a clone of real-stanford/diffusion_policy
"""
import contextlib
import functools
import json
import sys

import torch
from diffusion_policy_nets import ConditionalUnet1D as Robomimic

from prism_repro.policies.unet import ConditionalUnet1D

CASES = [((64, 128, 256), 16, 7, 146), ((32, 64), 6, 10, 5), ((16, 32, 64, 128), 8, 3, 64)]  # down_dims, Tp, Da, G


def original(clone: str):
    "Diffusion Policy's own class, as its policies build it: scale and shift both predicted."
    sys.path.insert(0, clone)
    from diffusion_policy.model.diffusion.conditional_unet1d import ConditionalUnet1D as Original

    return functools.partial(Original, cond_predict_scale=True)


@torch.no_grad()
def differences(case, make) -> dict:
    "Largest difference in the outputs, and after scale and shift were swapped in one layer on purpose."
    down_dims, Tp, Da, G = case
    theirs = make(input_dim=Da, global_cond_dim=G, diffusion_step_embed_dim=32, down_dims=list(down_dims), kernel_size=5, n_groups=8)
    ours = ConditionalUnet1D(Da, G, down_dims, step_embed_dim=32, kernel_size=5, n_groups=8)
    ours.load_state_dict(theirs.state_dict())  # strict: the same names and shapes
    x, t, cond = torch.randn(4, Tp, Da), torch.tensor([0.0, 1.0, 42.0, 99.0]), torch.randn(4, G)
    expected, found = theirs(x, t, global_cond=cond), ours(x, t, cond, r=None)
    film = ours.mid_modules[0].cond_encoder[1].weight
    film.copy_(film.roll(len(film) // 2, 0))
    return dict(down_dims=down_dims, output=float((expected - found).abs().max()), largest=float(expected.abs().max()),
                swapped=float((expected - ours(x, t, cond)).abs().max()))


torch.manual_seed(0)
torch.set_num_threads(1)
with contextlib.redirect_stdout(sys.stderr):  # robomimic's prints how many parameters it has
    make = original(sys.argv[1]) if len(sys.argv) > 1 else Robomimic
    cases = [differences(case, make) for case in CASES]
print(json.dumps(dict(module=getattr(make, "func", make).__module__, cases=cases)))
