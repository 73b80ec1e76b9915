"""The shared initialisation of all methods: run once, cached, identical for every method.

Not from the papers (they start from COCO weights, which cannot stand behind synthetic shapes): part of the
protocol. Recipes are called with (backbone configuration, options, cache folder, device, progress) and
return the backbone's state dict.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models import (
    ResNet50_Weights,
    ResNet101_Weights,
    Swin_B_Weights,
    Swin_S_Weights,
    Swin_T_Weights,
)

from methods.layers import auxiliary, backbone
from methods.layers.backbone_config import BackboneConfig
from methods.layers.images import MEAN_RGB, STD_RGB
from methods.layers.swin import SIZES as SWIN_SIZES
from methods.layers.swin import from_public, swin_size
from vis_bench.data import shapes
from vis_bench.errors import MethodError, UsageError
from vis_bench.files import atomic_path, sha256
from vis_bench.setup.config import config_hash

Progress = Callable[[int, int], None]


def _source_hash() -> str:
    """Hash of what decides the weights besides the options: recipe, head, backbone, images."""
    modules = (auxiliary, backbone, sys.modules[__name__])
    return sha256("".join([*map(inspect.getsource, modules), shapes.FIRST_VERSION]).encode())


def pretrain_on_shapes(
    config: BackboneConfig, options: Mapping[str, Any], cache_root: Path, device: str, progress: Progress
) -> dict[str, Tensor]:
    """Pretrain the backbone on static images of shapes with a semantic head; the result is cached.

    options: seed, images, iterations, batch_size, lr, threads (see protocols/shapes.toml). progress is
    called with (iterations done, iterations in all).
    """
    # how activations are kept for the backward pass is no reason for another start
    config = dataclasses.replace(config, checkpoint=False)
    key = config_hash(
        {"options": dict(options), "backbone": dataclasses.asdict(config), "source": _source_hash()}
    )
    path = cache_root / "initialisation" / f"shapes-{key[:16]}.safetensors"
    if not path.exists():
        # sums over threads depend on their number: fixed, so that every machine starts from the same weights
        threads = torch.get_num_threads()
        torch.set_num_threads(int(options["threads"]))
        try:
            state = _pretrain(config, options, device, progress)
        finally:
            torch.set_num_threads(threads)
        with atomic_path(path) as temporary:
            save_file(state, temporary)
    return load_file(path)


def _pretrain(
    config: BackboneConfig, options: Mapping[str, Any], device: str, progress: Progress
) -> dict[str, Tensor]:
    seed, iterations, batch_size = (int(options[name]) for name in ("seed", "iterations", "batch_size"))
    images, labels = shapes.static_images(seed, int(options["images"]))
    torch.manual_seed(seed)
    body = backbone.build_backbone(config).to(device)
    head = auxiliary.SemanticHead(body.channels, num_classes=len(shapes.CLASS_NAMES)).to(device)
    # channels-last convolutions take a fifth less time on a CPU, half with two threads
    network = nn.ModuleList([body, head]).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=float(options["lr"]), weight_decay=1e-2)
    warmup = max(1, iterations // 20)
    order = np.random.default_rng(seed)
    for step in range(iterations):
        rate = min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * step / iterations))
        for group in optimizer.param_groups:
            group["lr"] = float(options["lr"]) * rate
        batch, target = _augmented_batch(images, labels, order.integers(len(images), size=batch_size), order)
        logits = head(body(batch.to(device, memory_format=torch.channels_last)))
        loss = F.cross_entropy(logits, target.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        progress(step + 1, iterations)
    if not torch.isfinite(loss):
        raise MethodError("the shared pretraining diverged; lower initialisation.options.lr in the protocol")
    return {
        name: value.detach().cpu().contiguous(memory_format=torch.contiguous_format)
        for name, value in body.state_dict().items()
    }


def _augmented_batch(
    images: np.ndarray, labels: np.ndarray, picked: np.ndarray, order: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Images [B, 3, H, W] normalised and class maps [B, H/4, W/4], each flipped at random both ways."""
    flip_x, flip_y = order.random(2) < 0.5
    rows, columns = slice(None, None, -1 if flip_y else 1), slice(None, None, -1 if flip_x else 1)
    chosen = np.ascontiguousarray(images[picked][:, rows, columns])
    target = np.ascontiguousarray(labels[picked][:, rows, columns][:, 2::4, 2::4])
    batch = torch.from_numpy(chosen).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN_RGB, STD_RGB))
    return (batch - mean) / std, torch.from_numpy(target).long()


def imagenet_weights(
    config: BackboneConfig, options: Mapping[str, Any], cache_root: Path, device: str, progress: Progress
) -> dict[str, Tensor]:
    """ImageNet weights as the backbone's state dict: torchvision's, or those of the file `options["file"]`.

    The file may be torchvision's, the Swin authors' or a detectron2 port of a Swin Transformer. Without it,
    ResNet-50, ResNet-101, and Swin-T, Swin-S and Swin-B with window 7 get torchvision's ImageNet-1k weights.
    Swin-B with window 12 and Swin-L were pretrained on ImageNet-22k and are not among them: they need a file.

    Raises MethodError when the weights can neither be found in torch's cache nor downloaded, or do not fit.
    """
    if (file := options.get("file")) is not None:
        return _as_backbone(_read_weights(Path(str(file))), config, str(file))
    weights = {
        "resnet50": ResNet50_Weights.IMAGENET1K_V1,
        "resnet101": ResNet101_Weights.IMAGENET1K_V1,
        "swin_t": Swin_T_Weights.IMAGENET1K_V1,
        "swin_s": Swin_S_Weights.IMAGENET1K_V1,
        "swin_b": Swin_B_Weights.IMAGENET1K_V1,
    }
    if config.name in SWIN_SIZES and (config.name not in weights or swin_size(config).window != 7):
        window = swin_size(config).window
        raise MethodError(
            f"torchvision has no weights for {config.name} with window {window}. Give a file (protocol: "
            "[initialisation.options] file = PATH), such as the authors' "
            "swin_large_patch4_window12_384_22k.pth (ImageNet-22k); or start from a whole checkpoint with "
            "--start."
        )
    if config.name not in weights:
        raise MethodError(f"there are no ImageNet weights for the backbone {config.name!r}")
    chosen = weights[config.name]
    try:
        state = chosen.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise MethodError(
            f"ImageNet weights of {config.name} could not be downloaded ({error}). Put the file from "
            f"{chosen.url} into {torch.hub.get_dir()}/checkpoints, or start from a checkpoint with --start."
        ) from error
    return _as_backbone(state, config, chosen.url)


def _read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from a torch or safetensors file, without running code from it."""
    try:
        content = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (OSError, EOFError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MethodError(f"{path}: cannot be read as weights ({reason}).") from None
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise MethodError(f"{path}: holds no state dict of tensors.")
    return state


def _as_backbone(state: Mapping[str, Tensor], config: BackboneConfig, where: str) -> dict[str, Tensor]:
    """A classifier's state dict as the backbone's. Raises MethodError when it is of another architecture."""
    if config.name in SWIN_SIZES:
        try:
            return from_public(state, config)
        except UsageError as error:
            raise MethodError(f"{where}: {error}") from None
    renamed = {f"body.{name}": value for name, value in state.items() if not name.startswith("fc.")}
    own = backbone.build_backbone(config).state_dict()
    odd = [
        name
        for name, value in own.items()
        if not name.endswith(".num_batches_tracked")
        and (name not in renamed or renamed[name].shape != value.shape)
    ]
    if odd:
        raise MethodError(f"{where}: these weights do not fit {config.name} (first: {odd[0]}).")
    return renamed
