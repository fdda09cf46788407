"""How many photos a second a network trains on, on this machine, by a few steps on blank photos."""

from __future__ import annotations

import time

import torch

from likewise.machine import pick_device
from likewise.models.memory_format import choose_memory_format
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.build import bare_network_of
from likewise.training.step.precision import Precision

__all__ = ["photos_per_second"]

STEPS, WARMUP = 4, 2


def photos_per_second(recipe: Recipe) -> float:
    """The forward and backward passes of the network, in photos a second; about half a second.

    Decoding, augmentation, the loss and the optimizer come on top.
    """
    device = pick_device(recipe.training.device)
    random = torch.get_rng_state()
    network = bare_network_of(recipe).to(device).train()
    layout = choose_memory_format(network, recipe.training.channels_last, device)
    network.to(memory_format=layout)
    precision = Precision(recipe.training.precision, device)
    count = recipe.batch.identities * recipe.batch.images
    shape = (count, recipe.input.channels, recipe.input.height, recipe.input.width)
    photos = torch.rand(shape, device=device).contiguous(memory_format=layout)
    began = 0.0
    for step in range(WARMUP + STEPS):
        if step == WARMUP:
            began = time.perf_counter()
        with precision.autocast():
            embeddings = network(photos)
        embeddings.float().square().mean().backward()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    torch.set_rng_state(random)
    return STEPS * count / (time.perf_counter() - began)
