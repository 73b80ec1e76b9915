"""Clips of videos and of images in one sequence, in a fixed proportion."""

from __future__ import annotations

from fractions import Fraction

from vis_bench.data.extra import ExtraImages, PseudoMotion
from vis_bench.engine.training.clips.pseudo_clips import PseudoClipSampler
from vis_bench.engine.training.clips.sampler import ClipSampler
from vis_bench.errors import DataError
from vis_bench.method import Augmentation, Clip, ClipSampling
from vis_bench.types import Dataset


class MixedClipSampler:
    """Clip `index` is the next of the images or of the videos. Picklable; holds no state that changes.

    Of the first n clips, floor(n * share) are of images, evenly spread: the proportion holds from the first
    iterations on, and either sequence goes through its own epochs without a gap.
    """

    def __init__(self, videos: ClipSampler, images: PseudoClipSampler, share: Fraction) -> None:
        self._videos, self._images, self._share = videos, images, share

    def source(self, index: int) -> tuple[ClipSampler | PseudoClipSampler, int]:
        """The sampler of clip `index` (>= 0) and its index there."""
        before = index * self._share.numerator // self._share.denominator
        after = (index + 1) * self._share.numerator // self._share.denominator
        return (self._images, before) if after > before else (self._videos, index - before)

    def clip(self, index: int) -> Clip:
        """Clip `index` (>= 0); see Clip for shapes."""
        sampler, own_index = self.source(index)
        return sampler.clip(own_index)


def training_clips(
    dataset: Dataset,
    extra: ExtraImages | None,
    sampling: ClipSampling,
    augmentation: Augmentation,
    order_seed: int,
    augmentation_seed: int,
    stills: PseudoMotion | None = None,
) -> ClipSampler | PseudoClipSampler | MixedClipSampler:
    """The clips of a training run, `sampler.clip(index)`; see ClipSampler. extra: images to mix in.

    stills: the data set is of single images, and every clip is one of them, moved so from frame to frame.

    Raises DataError as the samplers, and when both sources have different categories.
    """
    if stills is not None:
        return PseudoClipSampler(dataset, stills, sampling, augmentation, order_seed, augmentation_seed)
    videos = ClipSampler(dataset, sampling, augmentation, order_seed, augmentation_seed)
    if extra is None:
        return videos
    if extra.dataset.categories != dataset.categories:
        raise DataError(f"{extra.dataset.name}: has other categories than {dataset.name}.")
    images = PseudoClipSampler(
        extra.dataset, extra.motion, sampling, augmentation, order_seed, augmentation_seed
    )
    return MixedClipSampler(videos, images, extra.share_beside(dataset))
