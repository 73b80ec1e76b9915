"""Mask2Former's pixel decoder: a deformable encoder over the coarse features, then a pyramid to stride 4.

Source: Cheng et al., Masked-attention Mask Transformer (specification 4.1); works on each frame by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.layers.deformable import DeformableEncoderLayer, cell_centres
from methods.layers.pixel_decoder_config import COARSE_TO_FINE, PixelDecoderConfig
from methods.layers.position import sine_2d
from methods.layers.recompute import recomputed

LEVELS = COARSE_TO_FINE[::-1]


def _norm_groups(dims: int) -> int:
    """GroupNorm(32) as published; narrow models take the largest divisor with at least two channels each."""
    return next(groups for groups in (32, 16, 8, 4, 2, 1) if dims % groups == 0 and dims // groups >= 2)


class PixelDecoder(nn.Module):
    """Backbone features -> feature maps of `dims` channels at every level, and the mask features at stride 4.

    channels: width of each backbone level. encoded: the levels that the deformable encoder mixes, coarse
    to fine and ending above the pyramid (the published model: res5, res4, res3). The finer levels are reached
    by pyramid steps: 1x1 lateral + GroupNorm, bilinear top-down sum, 3x3 convolution + GroupNorm + ReLU.
    checkpoint: layers and steps keep only their inputs for the backward pass. mask_positions: a sine encoding
    is added to the map that the mask features are read from.

    forward: {"res2": [n, c2, H/4, W/4], ...} -> ({level: [n, dims, h, w]}, mask features
    [n, mask_dims, H/4, W/4]).
    """

    def __init__(
        self,
        channels: Mapping[str, int],
        *,
        dims: int = 256,
        mask_dims: int = 256,
        encoded: Sequence[str] = ("res5", "res4", "res3"),
        layers: int = 6,
        heads: int = 8,
        points: int = 4,
        hidden: int = 1024,
        checkpoint: bool = False,
        mask_positions: bool = False,
    ) -> None:
        super().__init__()
        if not encoded or tuple(encoded) != COARSE_TO_FINE[: len(encoded)] or len(encoded) == len(LEVELS):
            raise ValueError(
                f"the encoded levels must be the first one to three of {COARSE_TO_FINE}, not {encoded}"
            )
        self.checkpoint, self.mask_positions = checkpoint, mask_positions
        self.encoded = tuple(encoded)
        self.pyramid = COARSE_TO_FINE[len(encoded) :]
        groups = _norm_groups(dims)
        self.input_projections = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels[name], dims, 1), nn.GroupNorm(groups, dims))
            for name in self.encoded
        )
        self.level_embedding = nn.Parameter(torch.randn(len(self.encoded), dims))
        self.encoder = nn.ModuleList(
            DeformableEncoderLayer(dims, heads, len(self.encoded), points, hidden) for _ in range(layers)
        )
        self.laterals = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Conv2d(channels[name], dims, 1, bias=False), nn.GroupNorm(groups, dims)
                )
                for name in self.pyramid
            }
        )
        self.outputs = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Conv2d(dims, dims, 3, padding=1, bias=False), nn.GroupNorm(groups, dims), nn.ReLU()
                )
                for name in self.pyramid
            }
        )
        self.mask_features = nn.Conv2d(dims, mask_dims, 1)
        self._initialise()

    def _initialise(self) -> None:
        for name, module in self.named_modules():
            if not isinstance(module, nn.Conv2d):
                continue
            if name.startswith("input_projections"):
                nn.init.xavier_uniform_(module.weight)
            else:
                nn.init.kaiming_uniform_(module.weight, a=1)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, features: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        maps = self._encode(features)
        for name in self.pyramid:
            above = list(maps.values())[-1]
            maps[name] = self._computed(self, self._pyramid_step, name, features[name], above)
        finest = maps[LEVELS[0]]
        if self.mask_positions:
            height, width = finest.shape[-2:]
            finest = finest + sine_2d(height, width, finest.shape[1], finest.device)
        return maps, self.mask_features(finest)

    def _computed(self, owner: nn.Module, function: Callable[..., Tensor], *inputs: object) -> Tensor:
        return recomputed(owner, function, *inputs) if self.checkpoint else function(*inputs)

    def _pyramid_step(self, name: str, features: Tensor, above: Tensor) -> Tensor:
        lateral = self.laterals[name](features)
        above = F.interpolate(above, size=lateral.shape[-2:], mode="bilinear", align_corners=False)
        result: Tensor = self.outputs[name](lateral + above)
        return result

    def _encode(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The encoded levels, coarse to fine, after the deformable encoder."""
        projected = [
            project(features[name])
            for name, project in zip(self.encoded, self.input_projections, strict=True)
        ]
        sizes = [(x.shape[-2], x.shape[-1]) for x in projected]
        device = projected[0].device
        tokens = torch.cat([x.flatten(2) for x in projected], dim=2).transpose(1, 2)
        position = torch.cat(
            [
                sine_2d(*size, embedding.numel(), device).flatten(1).t() + embedding
                for size, embedding in zip(sizes, self.level_embedding, strict=True)
            ]
        )
        centres = cell_centres(sizes, device)
        for layer in self.encoder:
            tokens = self._computed(layer, layer, tokens, position, centres, sizes)
        parts = tokens.transpose(1, 2).split([height * width for height, width in sizes], dim=2)
        return {
            name: part.unflatten(2, size) for name, part, size in zip(self.encoded, parts, sizes, strict=True)
        }


def build_pixel_decoder(config: PixelDecoderConfig, channels: Mapping[str, int]) -> PixelDecoder:
    """The pixel decoder that `config` describes, on a backbone of these channels."""
    return PixelDecoder(
        channels,
        dims=config.dims,
        mask_dims=config.mask_dims,
        encoded=config.encoded,
        layers=config.layers,
        heads=config.heads,
        points=config.points,
        hidden=config.hidden,
        checkpoint=config.checkpoint,
        mask_positions=config.mask_positions,
    )
