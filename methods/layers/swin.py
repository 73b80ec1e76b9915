"""Swin Transformer behind the backbone interface: feature maps at strides 4, 8, 16 and 32.

Blocks and patch merging are torchvision's; attention is our own, because torchvision leaves the shift out
where one window covers the map, and the published segmentation models do not.

Source: Liu et al., Swin Transformer; specification 0.3 (sizes; one LayerNorm per output, as the backbone of
Mask2Former has).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.swin_transformer import PatchMerging, SwinTransformerBlock

from methods.layers.backbone_config import BackboneConfig
from methods.layers.recompute import recomputed_in_turn
from vis_bench.errors import UsageError

LEVELS = ("res2", "res3", "res4", "res5")
PATCH = 4
# added to the logits of pairs that the cyclic shift made neighbours (public code)
_SEPARATED = -100.0


@dataclass(frozen=True, slots=True)
class SwinSize:
    """embed: channels at stride 4, doubled at every further stage. window: cells per side."""

    embed: int
    depths: tuple[int, int, int, int]
    heads: tuple[int, int, int, int]
    window: int


SIZES: Mapping[str, SwinSize] = MappingProxyType(
    {
        "swin_t": SwinSize(96, (2, 2, 6, 2), (3, 6, 12, 24), 7),
        "swin_s": SwinSize(96, (2, 2, 18, 2), (3, 6, 12, 24), 7),
        "swin_b": SwinSize(128, (2, 2, 18, 2), (4, 8, 16, 32), 12),
        "swin_l": SwinSize(192, (2, 2, 18, 2), (6, 12, 24, 48), 12),
    }
)


def swin_size(config: BackboneConfig) -> SwinSize:
    """The sizes of `config.name`, with the window of the configuration where it gives one."""
    size = SIZES[config.name]
    return size if config.window is None else replace(size, window=config.window)


def relative_position_index(window: int) -> Tensor:
    """Row of the bias table for each pair of cells of a window: [window^4] int64, query cell major.

    Row = (dy + window - 1) * (2 window - 1) + (dx + window - 1) with (dy, dx) = query minus key.
    """
    cells = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    offset = cells[:, None] - cells[None] + window - 1
    return (offset[..., 0] * (2 * window - 1) + offset[..., 1]).flatten()


def to_windows(x: Tensor, window: int) -> Tensor:
    """[B, H, W, C] with sides that are multiples of `window` -> [B, windows, window^2, C], row by row."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // window, window, width // window, window, channels)
    return x.transpose(2, 3).reshape(batch, -1, window * window, channels)


def from_windows(x: Tensor, window: int, height: int, width: int) -> Tensor:
    """Inverse of `to_windows`."""
    batch, channels = x.shape[0], x.shape[-1]
    x = x.view(batch, height // window, width // window, window, window, channels)
    return x.transpose(2, 3).reshape(batch, height, width, channels)


def shift_mask(height: int, width: int, window: int, shift: int, device: torch.device) -> Tensor:
    """What is added to the logits of a shifted map: [windows, window^2, window^2], 0 or -100.

    height, width: of the padded map, multiples of `window`. After the cyclic shift, the last window of a row
    or column holds cells from both ends of the map; these do not see each other.
    """

    def band(length: int) -> Tensor:
        position = torch.arange(length, device=device)
        return (position >= length - window).long() + (position >= length - shift).long()

    region = band(height)[:, None] * 3 + band(width)
    cells = to_windows(region[None, :, :, None], window)[0, :, :, 0]
    return _SEPARATED * (cells[:, :, None] != cells[:, None, :]).float()


class WindowAttention(nn.Module):
    """Attention among the cells of each window, with a learned bias per relative position.

    forward: [B, H, W, C] -> the same shape. Maps are padded right and bottom with zeros to multiples of
    the window; as in the public code, padding takes part as keys. shift: cells by which the windows are
    displaced. no_weight_decay: parameters that the optimiser leaves alone, as the public code of Swin and
    Mask2Former has it; a position is no weight that should shrink.
    """

    no_weight_decay = ("relative_position_bias_table",)

    def __init__(self, dim: int, window: list[int], shift: list[int], heads: int, **_: float) -> None:
        super().__init__()
        self.window, self.shift, self.heads = window[0], shift[0], heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * self.window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.index: Tensor
        self.register_buffer("index", relative_position_index(self.window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width, channels = x.shape[1:]
        window, cells = self.window, self.window**2
        x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
        padded = (x.shape[1], x.shape[2])
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        parts = self.qkv(to_windows(x, window)).unflatten(-1, (3, self.heads, channels // self.heads))
        # each [B, windows, heads, cells, width of a head]
        query, key, value = parts.permute(3, 0, 1, 4, 2, 5)
        logits = (query * (channels // self.heads) ** -0.5) @ key.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.index].view(cells, cells, self.heads).permute(2, 0, 1)
        logits = logits + bias
        if self.shift:
            logits = logits + shift_mask(*padded, window, self.shift, x.device)[:, None]
        mixed = (logits.softmax(-1) @ value).transpose(2, 3).flatten(3)
        x = from_windows(self.proj(mixed), window, *padded)
        if self.shift:
            x = torch.roll(x, (self.shift, self.shift), (1, 2))
        return x[:, :height, :width].contiguous()


class Swin(nn.Module):
    """Swin Transformer with a LayerNorm at each output.

    forward: images [B, 3, H, W] float (normalised) -> {"res2": [B, embed, H/4, W/4], ..., "res5":
    [B, 8 embed, H/32, W/32]}; sizes are rounded up, since images and odd maps are padded. Its LayerNorms are
    trained whatever `config.frozen_norm` says: that is about BatchNorm. The modules in `body` are numbered as
    torchvision's `features`, so that its weights fit.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        size = swin_size(config)
        norm = partial(nn.LayerNorm, eps=1e-5)
        total = sum(size.depths)
        patches = nn.Sequential(nn.Conv2d(3, size.embed, PATCH, PATCH), _ChannelsLast(), norm(size.embed))
        modules: list[nn.Module] = [patches]
        made = 0
        for stage, (depth, heads) in enumerate(zip(size.depths, size.heads, strict=True)):
            dim = size.embed * 2**stage
            if stage:
                modules.append(PatchMerging(dim // 2, norm))
            blocks = [
                SwinTransformerBlock(
                    dim,
                    heads,
                    window_size=[size.window] * 2,
                    shift_size=[size.window // 2 if i % 2 else 0] * 2,
                    stochastic_depth_prob=config.drop_path * (made + i) / (total - 1),
                    norm_layer=norm,
                    attn_layer=WindowAttention,
                )
                for i in range(depth)
            ]
            made += depth
            modules.append(nn.Sequential(*blocks))
        self.body = nn.Sequential(*modules)
        self.checkpoint = config.checkpoint
        self.channels = {name: size.embed * 2**i for i, name in enumerate(LEVELS)}
        self.norms = nn.ModuleDict({name: norm(width) for name, width in self.channels.items()})
        for module in self.body.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        # torchvision's order: patches, stage, merging, stage, ...
        stem, *rest = self.body
        stages = [stem, rest[0], *(nn.ModuleList(rest[i : i + 2]) for i in (1, 3, 5))]
        for part in stages[: config.frozen_stages]:
            part.requires_grad_(False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        height, width = images.shape[-2:]
        x = F.pad(images, (0, -width % PATCH, 0, -height % PATCH))
        features = {}
        for i, module in enumerate(self.body):
            x = recomputed_in_turn(module, x) if i % 2 and self.checkpoint else module(x)
            if i % 2:
                name = LEVELS[i // 2]
                features[name] = self.norms[name](x).permute(0, 3, 1, 2).contiguous()
        return features


class _ChannelsLast(nn.Module):
    """[B, C, H, W] -> [B, H, W, C]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


_PUBLIC_NAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"features\.", "body."),
        (r"patch_embed\.proj\.", "body.0.0."),
        (r"patch_embed\.norm\.", "body.0.2."),
        (r"layers\.(\d)\.blocks\.(\d+)\.mlp\.fc1\.", r"body.{stage}.\2.mlp.0."),
        (r"layers\.(\d)\.blocks\.(\d+)\.mlp\.fc2\.", r"body.{stage}.\2.mlp.3."),
        (r"layers\.(\d)\.blocks\.(\d+)\.", r"body.{stage}.\2."),
        (r"layers\.(\d)\.downsample\.", r"body.{merging}."),
        (r"norm(\d)\.", r"norms.{level}."),
    )
)
# classifier and its norm, and what follows from the window's size
_NOT_LOADED = re.compile(r"(norm|head)\.|.*\.(relative_position_index|attn_mask)$")


def own_name(public_name: str) -> str | None:
    """The name in `Swin` of a parameter of torchvision, of the authors' release or of detectron2's port.

    None for what has no counterpart here. Raises UsageError for a name of no Swin Transformer.
    """
    if _NOT_LOADED.match(public_name):
        return None
    for pattern, replacement in _PUBLIC_NAMES:
        found = pattern.match(public_name)
        if found is None:
            continue
        number = int(found.group(1)) if found.groups() else 0
        words = {"stage": 2 * number + 1, "merging": 2 * number + 2, "level": LEVELS[min(number, 3)]}
        return found.expand(replacement).format(**words) + public_name[found.end() :]
    raise UsageError(f"{public_name!r} is no parameter of a Swin Transformer.")


def from_public(state: Mapping[str, Tensor], config: BackboneConfig) -> dict[str, Tensor]:
    """A complete state dict of `Swin(config)` from published weights of the same architecture.

    The outputs' LayerNorms, which image classifiers lack, start as the identity. Raises UsageError for
    missing or unknown parameters or other shapes, such as a relative position bias of another window.
    """
    own = Swin(config).state_dict()
    renamed = {name: value for key, value in state.items() if (name := own_name(key)) is not None}
    missing = [name for name in own if name not in renamed and not name.startswith("norms.")]
    odd = [name for name, value in renamed.items() if name not in own or own[name].shape != value.shape]
    if missing or odd:
        raise UsageError(
            f"These weights do not fit {config.name} (window {swin_size(config).window}): {len(missing)} "
            f"parameters missing, {len(odd)} unknown or of another shape (first: {(missing + odd)[0]})."
        )
    return {**own, **renamed}
