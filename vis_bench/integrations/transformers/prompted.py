"""SAM 2 on videos: it follows objects that it has been shown, by the truth or by a detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vis_bench.errors import DataError
from vis_bench.integrations.native import Native, as_picture
from vis_bench.integrations.transformers.queries import FrameDetector
from vis_bench.masks.rle import decode, encode_or_none, has_pixels
from vis_bench.method import VideoInstance
from vis_bench.types import Dataset, Rle, TruthTrack, Video


@dataclass(frozen=True, slots=True)
class Prompt:
    """One object: the frame in which it is shown, its mask [H, W] bool there, its label, how sure it is."""

    frame: int
    mask: np.ndarray
    label: int
    score: float


class PromptedTracker(Native):
    """detector: shows the objects of the first frame; None where the truth shows each in its first frame."""

    def __init__(self, native: Any, processor: Any, detector: FrameDetector | None, num_classes: int) -> None:
        super().__init__()
        self.native = native
        self.processor = processor
        self.detector = detector
        self.num_classes = num_classes
        self.truth: Mapping[int, Sequence[TruthTrack]] | None = None
        self.labels: Mapping[int, int] = {}

    def prepare_for(self, dataset: Dataset) -> Sequence[str]:
        """Take the prompts of a data set, or let the detector match its classes.

        Raises DataError where the truth is to show the objects and is not public.
        """
        if self.detector is not None:
            return (*self.detector.prepare_for(dataset), "prompted with detections in the first frame")
        if dataset.tracks is None:
            raise DataError(
                f"{dataset.name} {dataset.split}: has no truth to prompt with. Name a detector with --prompt "
                "hf:PATH, or a split with truth."
            )
        self.truth, self.labels = dataset.tracks_by_video, dataset.label_of_category
        return ("prompted with the first mask of each object of the truth",)

    @torch.no_grad()
    def track(self, video: Video, frames: Iterator[Tensor]) -> list[VideoInstance]:
        """The tracks of the objects that are shown; the whole video is held."""
        given = list(frames)
        prompts = self._prompts(video, given[0])
        if not prompts:
            return []
        device = given[0].device
        pictures = [as_picture(frame) for frame in given]
        masks: list[list[Rle | None]] = [[None] * len(given) for _ in prompts]
        sums = [0.0] * len(prompts)
        for first in sorted({prompt.frame for prompt in prompts}):
            # the library follows an object from the first frame of its session on
            shown = [number for number, prompt in enumerate(prompts) if prompt.frame == first]
            session = self.processor.init_video_session(video=pictures[first:], inference_device=device)
            # it keeps the list of numbers and takes entries off it
            self.processor.add_inputs_to_inference_session(
                session,
                frame_idx=0,
                obj_ids=list(shown),
                input_masks=[prompts[number].mask for number in shown],
            )
            for output in self.native.propagate_in_video_iterator(session, start_frame_idx=0):
                frame = first + output.frame_idx
                (found,) = self.processor.post_process_masks(
                    [output.pred_masks], original_sizes=[[video.height, video.width]]
                )
                drawn = encode_or_none(found[:, 0].bool().cpu().numpy())
                sure = _sure(output, len(shown))
                for number, mask, value in zip(output.object_ids, drawn, sure, strict=True):
                    masks[number][frame] = mask
                    sums[number] += value
        return [
            VideoInstance(
                label=prompt.label,
                score=prompt.score * total / (len(given) - prompt.frame),
                segmentations=tuple(of_frames),
            )
            for prompt, total, of_frames in zip(prompts, sums, masks, strict=True)
        ]

    def _prompts(self, video: Video, first: Tensor) -> list[Prompt]:
        if self.detector is not None:
            found = self.detector.detect(first)
            return [
                Prompt(0, decode(mask), int(label), float(score))
                for mask, label, score in zip(found.segmentations, found.labels, found.scores, strict=True)
                if mask is not None
            ]
        if self.truth is None or video.id not in self.truth:
            raise DataError(f"{video.name}: there is no truth to prompt with.")
        prompts = []
        for track in self.truth[video.id]:
            shown = [frame for frame, mask in enumerate(track.segmentations) if has_pixels(mask)]
            if shown and not track.is_crowd:
                mask = track.segmentations[shown[0]]
                assert mask is not None
                prompts.append(Prompt(shown[0], decode(mask), self.labels[track.category_id], 1.0))
        return prompts


def _sure(output: Any, objects: int) -> list[float]:
    """The model's probability that each object is in the frame; 1 where it says none."""
    logits = output.object_score_logits
    return [1.0] * objects if logits is None else logits.flatten().sigmoid().tolist()
