"""Images that training mixes into the videos: which, in what proportion, how they move. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from vis_bench.errors import DataError
from vis_bench.types import Dataset


@dataclass(frozen=True, slots=True)
class PseudoMotion:
    """How much the frames of a pseudo-clip differ.

    smallest_crop: a frame shows a window whose sides are this fraction of the image's to all of it. degrees:
    largest rotation either way.
    """

    smallest_crop: float = 0.6
    degrees: float = 15.0

    def __post_init__(self) -> None:
        if not 0 < self.smallest_crop <= 1:
            raise DataError(f"smallest_crop is {self.smallest_crop}; it must be above 0 and at most 1.")
        if not 0 <= self.degrees <= 45:
            raise DataError(f"degrees is {self.degrees}; it must lie within 0..45.")


@dataclass(frozen=True, slots=True)
class ExtraImages:
    """Images that training mixes in. share: of all clips, above 0 and below 1; None: by dataset size, that is
    images over images and labelled frames together."""

    dataset: Dataset
    motion: PseudoMotion = field(default_factory=PseudoMotion)
    share: float | None = None

    def share_beside(self, videos: Dataset) -> Fraction:
        """The share of pseudo-clips when training on `videos`. Raises DataError outside 0..1."""
        if self.share is None:
            images = len(self.dataset.videos)
            return Fraction(images, images + sum(video.length for video in videos.videos))
        if not 0 < self.share < 1:
            raise DataError(f"share is {self.share}; it must be above 0 and below 1.")
        return Fraction(self.share).limit_denominator(1_000_000)
