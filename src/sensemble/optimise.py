"""How the weights move: the optimiser, its rates over the training, the device and the precision."""

from __future__ import annotations

import math

import torch
from torch import nn

from .encoders.base import Pace
from .network import Network
from .train_config import TrainConfig


def schedule(step: int, steps: int, warmup: float) -> float:
    """The learning rate's factor: a linear rise, then half a cosine down to zero."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def set_rates(optimizer: torch.optim.Optimizer, step: int, steps: int, warmup: float) -> None:
    """The learning rate of each group at a step; a group whose time has not come needs no gradients either."""
    for group in optimizer.param_groups:
        begun = step >= group["start"] * steps
        group["lr"] = group["peak"] * schedule(step, steps, warmup) if begun else 0.0
        if group["start"] > 0:
            for parameter in group["params"]:
                parameter.requires_grad_(begun)


def make_optimizer(network: Network, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; weight decay for matrices only, not for biases, norms and single vectors. A group for each pace."""
    paces = network.paces()
    groups: dict[tuple[bool, Pace], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((parameter.dim() < 2, paces.get(name, Pace())), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": groups[key],
                "weight_decay": 0.0 if key[0] else config.weight_decay,
                "peak": config.lr * key[1].rate,
                "start": key[1].start,
            }
            for key in sorted(groups, key=lambda key: (key[0], key[1].start, -key[1].rate))
        ],
        lr=config.lr,
        fused=True,
    )


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` takes a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def autocast(config: TrainConfig, device: torch.device) -> torch.autocast:
    """bfloat16 where asked for, or by itself on a GPU."""
    wanted = config.precision == "bfloat16" or (config.precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def planned_steps(rows: int, config: TrainConfig) -> int:
    """How many steps a training of so many rows takes, if nothing stops it."""
    return math.ceil(math.ceil(rows / config.batch) / config.accumulate) * config.epochs


def hide_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The chance to hide an input at a step: fixed, or going in a straight line from the first step to the last."""
    if isinstance(config.hide, float | int):
        return config.hide
    first, last = config.hide["from"], config.hide["to"]
    return first + (last - first) * step / max(steps - 1, 1)
