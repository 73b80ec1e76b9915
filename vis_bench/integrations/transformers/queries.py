"""Detections of single frames: Mask2Former, EoMT and RF-DETR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vis_bench.integrations.frames import FrameConfig, raw_detections
from vis_bench.integrations.native import Native, as_picture
from vis_bench.integrations.transformers.classes import in_order, map_classes
from vis_bench.method import RawDetections
from vis_bench.types import Dataset


class FrameDetector(Native):
    """A model of single images. labels: names of its classes by label. num_classes: of the data set."""

    def __init__(
        self,
        native: Any,
        processor: Any,
        model_type: str,
        labels: Sequence[str],
        config: FrameConfig,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.native = native
        self.processor = processor
        self.model_type = model_type
        self.labels = tuple(labels)
        self.config = config
        # until the names of the data set are known
        self.to_own = in_order(len(labels), num_classes)

    def prepare_for(self, dataset: Dataset) -> Sequence[str]:
        """Match the labels to the classes of a data set. Raises DataError where none is one of them."""
        found = map_classes(self.labels, [category.name for category in dataset.categories])
        self.to_own = found.to_own
        return (found.note,)

    @torch.no_grad()
    def detect(self, frame: Tensor) -> RawDetections:
        """Detections of one frame [3, H, W] uint8 RGB before association, best first."""
        size = (int(frame.shape[-2]), int(frame.shape[-1]))
        inputs = self.processor(images=as_picture(frame), return_tensors="pt").to(frame.device)
        inputs.pop("patch_offsets", None)
        output = self.native(**inputs)
        if self.model_type.startswith("eomt"):
            scores, labels, masks = _of_queries(output, self.processor, size)
        else:
            scores, labels, masks = self._as_the_library_does(output, size)
        return raw_detections(scores, self.to_own[labels], masks, self.config)

    def _as_the_library_does(
        self, output: Any, size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(scores [n], labels [n], masks [n, H, W]) by the processor's own steps, masks that may overlap."""
        (found,) = self.processor.post_process_instance_segmentation(
            output, threshold=self.config.score_threshold, target_sizes=[size], return_binary_maps=True
        )
        segments = found["segments_info"]
        scores = np.array([one["score"] for one in segments], dtype=np.float64)
        labels = np.array([one["label_id"] for one in segments], dtype=np.int64)
        if not segments:
            return scores, labels, np.zeros((0, *size), dtype=bool)
        return scores, labels, found["segmentation"].cpu().numpy().astype(bool)


def _of_queries(
    output: Any, processor: Any, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As EoMT's processor, without painting one mask over another.

    The score of a query is the probability of its class times the mean probability inside its mask. Source:
    `post_process_instance_segmentation` of the library's EomtImageProcessor.
    """
    shape = (processor.size["shortest_edge"], processor.size["longest_edge"])
    logits = F.interpolate(output.masks_queries_logits, size=shape, mode="bilinear")
    (logits,) = processor.unpad_image(logits, [size], processor.size)
    scores, labels = output.class_queries_logits[0].softmax(-1)[:, :-1].max(-1)
    masks = logits > 0
    inside = (logits.sigmoid() * masks).flatten(1).sum(1) / (masks.flatten(1).sum(1) + 1e-6)
    return (scores * inside).cpu().numpy(), labels.cpu().numpy(), masks.cpu().numpy()
