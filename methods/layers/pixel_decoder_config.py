"""Sizes of the pixel decoder; apart from `pixel_decoder` so that reading a configuration imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vis_bench.errors import UsageError
from vis_bench.method import ADDED_LATER

COARSE_TO_FINE = ("res5", "res4", "res3", "res2")


@dataclass(frozen=True, slots=True)
class PixelDecoderConfig:
    """Pixel decoder: channels, and the deformable encoder over the `encoded` levels (coarse to fine).

    hidden: width of the encoder's feed-forward block. points: sampled per head and level.
    checkpoint: in training keep only the inputs of each layer and pyramid step and compute the rest again in
    the backward pass. mask_positions: the mask features know where they are, which no paper of these has.
    """

    dims: int = 256
    mask_dims: int = 256
    encoded: tuple[str, ...] = ("res5", "res4", "res3")
    layers: int = 6
    heads: int = 8
    points: int = 4
    hidden: int = 1024
    checkpoint: bool = field(default=False, metadata=ADDED_LATER)
    mask_positions: bool = field(default=False, metadata=ADDED_LATER)


def check_sizes(method: str, pixel: PixelDecoderConfig, levels: Sequence[str], decoder_heads: int) -> None:
    """Raise UsageError when a pixel decoder and the decoder on top of it do not fit together.

    method: its name, for the message. levels: backbone levels that the decoder attends to.
    """
    for name, heads in (("pixel_decoder", pixel.heads), ("decoder", decoder_heads)):
        if heads < 1 or pixel.dims % heads:
            raise UsageError(
                f"{method}: pixel_decoder.dims = {pixel.dims} is no multiple of {name}.heads = {heads}; "
                "change one of them."
            )
    if pixel.dims % 4:
        raise UsageError(
            f"{method}: pixel_decoder.dims = {pixel.dims} must be a multiple of 4 (position encoding)."
        )
    encoded = pixel.encoded
    if not 1 <= len(encoded) <= 3 or encoded != COARSE_TO_FINE[: len(encoded)]:
        raise UsageError(
            f"{method}: pixel_decoder.encoded = {encoded} must be the first one to three of {COARSE_TO_FINE}."
        )
    if not levels or any(level not in COARSE_TO_FINE for level in levels):
        raise UsageError(
            f"{method}: decoder.levels = {levels} must name at least one of {COARSE_TO_FINE} only."
        )
