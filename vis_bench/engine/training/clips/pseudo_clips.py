"""Training clips from single images: every frame shows the image under its own small motion.

Source: InsPro Table 1 (C), COCO images as extra training data; the paper does not say how an image becomes a
clip of three frames. Ours (specification 6.4): random crops and rotations, identities kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vis_bench.data.extra import PseudoMotion
from vis_bench.data.frames import image_root_of
from vis_bench.engine.training.clips.augment import draw_transform, tight_boxes
from vis_bench.engine.training.clips.draws import Draws, shuffled_once
from vis_bench.engine.training.clips.pixels import transformed_frames, transformed_objects
from vis_bench.errors import DataError
from vis_bench.method import Augmentation, Clip, ClipSampling
from vis_bench.types import Dataset, Video

# the third word of the seed, so that a pseudo-clip shares no draw with the clip of a video
_STREAM = 1


@dataclass(frozen=True, slots=True)
class Window:
    """What of an image one frame shows, drawn by `draw_window`.

    centre: (x, y) and scale: of width and height, all as fractions of the image's sides. angle: radians,
    clockwise on the screen.
    """

    centre: tuple[float, float]
    scale: float
    angle: float


def draw_window(motion: PseudoMotion, height: int, width: int, draws: Draws) -> Window:
    """A rotated window of the image's aspect ratio that lies inside the image; four draws.

    height, width: of the image in pixels. A rotated window that would not fit is made smaller.
    """
    scale = motion.smallest_crop + (1 - motion.smallest_crop) * draws.unit()
    angle = math.radians(motion.degrees) * (2 * draws.unit() - 1)
    cos, sin = math.cos(angle), abs(math.sin(angle))
    # sides of the box around the rotated window, over those of the image
    across, down = cos + sin * height / width, cos + sin * width / height
    scale = min(scale, 1 / across, 1 / down)
    free_x, free_y = 1 - scale * across, 1 - scale * down
    centre = (0.5 + free_x * (draws.unit() - 0.5), 0.5 + free_y * (draws.unit() - 0.5))
    return Window(centre, scale, angle)


def show_window(window: Window, frame: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """The window enlarged to the size of the image.

    frame: [3, H, W] uint8, bilinear. masks: [N, H, W] bool, nearest pixel; both are read at the same points.
    """
    height, width = frame.shape[-2:]
    cos, sin = math.cos(window.angle) * window.scale, math.sin(window.angle) * window.scale
    x, y = (2 * part - 1 for part in window.centre)
    # in grid_sample's units, in which both sides run from -1 to 1
    matrix = torch.tensor([[cos, -sin * height / width, x], [sin * width / height, cos, y]])
    grid = F.affine_grid(matrix[None], [1, 1, height, width], align_corners=False)
    shown = F.grid_sample(frame[None].float(), grid, padding_mode="border", align_corners=False)
    frame = shown[0].round().clamp(0, 255).to(torch.uint8)
    if masks.shape[0] == 0:
        return frame, masks
    moved = F.grid_sample(
        masks[None].float(), grid, mode="nearest", padding_mode="border", align_corners=False
    )
    return frame, moved[0] > 0.5


class PseudoClipSampler:
    """Training clips of a dataset of single images. Picklable; holds no state that changes.

    As ClipSampler: clip `index` is the same whenever it is asked for, images follow an endless sequence of
    shuffled epochs given by order_seed alone, crowd regions are left out. Resize, flip and crop of the
    augmentation are drawn once per clip; then each frame draws its own window.

    Raises DataError when the dataset has no images or no truth.
    """

    def __init__(
        self,
        dataset: Dataset,
        motion: PseudoMotion,
        sampling: ClipSampling,
        augmentation: Augmentation,
        order_seed: int,
        augmentation_seed: int,
    ) -> None:
        if dataset.tracks is None or not dataset.videos:
            raise DataError(f"{dataset.name} {dataset.split}: has no images with truth to train on.")
        self._image_root = image_root_of(dataset)
        self._dataset = dataset
        self._motion = motion
        self._frames = sampling.frames
        self._augmentation = augmentation
        self._order_seed = order_seed
        self._augmentation_seed = augmentation_seed

    def video(self, index: int) -> Video:
        """The image of clip `index` (>= 0)."""
        images = self._dataset.videos
        epoch, place = divmod(index, len(images))
        return images[int(shuffled_once(len(images), self._order_seed, epoch, _STREAM)[place])]

    def clip(self, index: int) -> Clip:
        """Clip `index` (>= 0); see Clip for shapes. Raises DataError for an image that cannot be read."""
        image = self.video(index)
        draws = Draws(self._augmentation_seed, index, _STREAM)
        transform = draw_transform(self._augmentation, image.height, image.width, draws)
        size = (image.height, image.width)
        still = transformed_frames(self._image_root, image.file_names, size, transform)[0]
        tracks = self._dataset.tracks_in_frames(image.id, [0])
        objects = transformed_objects(tracks, 1, size, transform)
        height, width = still.shape[-2:]
        shown = [
            show_window(draw_window(self._motion, height, width, draws), still, objects.masks[0])
            for _ in range(self._frames)
        ]
        moved = torch.stack([frame_masks for _, frame_masks in shown])
        boxes, visible = tight_boxes(moved)
        kept = visible.any(dim=0)
        labels = [self._dataset.label_of_category[track.category_id] for track in objects.tracks]
        return Clip(
            frames=torch.stack([frame for frame, _ in shown]),
            labels=torch.tensor(labels, dtype=torch.int64)[kept],
            masks=moved[:, kept],
            boxes=boxes[:, kept],
            visible=visible[:, kept],
        )
