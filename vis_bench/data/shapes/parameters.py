"""What the synthetic sets are made of: classes, frame size, and one parameter record for each set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vis_bench.data.shapes.version import FIRST_VERSION, GENERATOR_VERSION

GENERATOR_SEED = 20_240_611
FRAME_HEIGHT_PX = 96
FRAME_WIDTH_PX = 160
CLASS_NAMES = ("disc", "square", "triangle", "star", "cross")
TEXTURES = ("stripes", "checks", "gradient")
# An object with fewer visible pixels in a frame counts as absent there.
MIN_VISIBLE_PX = 12


@dataclass(frozen=True, slots=True)
class SplitSize:
    """Number of videos and frames per video of one split."""

    videos: int
    frames: int


@dataclass(frozen=True, slots=True)
class SetParameters:
    """How the videos of one set are drawn. Ranges are (low, high) of a uniform draw.

    stream: names the random streams of the set, and the set in its annotation files. version: of its content.
    object_weights: relative frequency of 1, 2, 3, ... objects in a video.
    radius_px: radius of an object before scaling. scale: the range that the scale sweeps through.
    speed_px: displacement per frame. heading_rad: largest angle between a path and the horizontal.
    sway_px: sideways amplitude of a path.
    meeting_share: share of videos in which objects are planned to meet, that is, two objects have the same
    centre in one frame. meeting_pairs: pairs that meet in such a video, as far as there are objects.
    alike_share: share of videos in which two objects are equal in class, colour and texture.
    all_alike: all objects of every video are equal in class, colour and texture.
    excursion_share: probability that an object that meets no other leaves the frame for a while.
    excursion_every_frames: one excursion is drawn for each such stretch of the video.
    away_frames, ramp_frames: frames wholly outside, frames of the way out and of the way back.
    late_share: share of videos with late_objects (low, high; both possible) objects that enter after frame 3
    (counted from 0), or leave and come back after absent_frames (low, high; 3 or more) wholly outside.
    background_pan_px: largest displacement of the background from its middle position.
    blur_sigma_px: Gaussian blur of a video. streak_share: share of frames with a motion-like blur.
    noise_sigma: Gaussian noise in grey levels of 255.
    """

    splits: Mapping[str, SplitSize]
    stream: str
    version: str = FIRST_VERSION
    object_weights: tuple[float, ...] = (0.06, 0.16, 0.27, 0.26, 0.15, 0.10)
    radius_px: tuple[float, float] = (13.0, 20.0)
    scale: tuple[float, float] = (0.75, 1.35)
    speed_px: tuple[float, float] = (0.8, 3.6)
    heading_rad: float = 0.9
    sway_px: tuple[float, float] = (0.0, 6.0)
    meeting_share: float = 0.5
    meeting_pairs: int = 1
    alike_share: float = 0.3
    all_alike: bool = False
    excursion_share: float = 0.25
    excursion_every_frames: int = 40
    away_frames: tuple[int, int] = (2, 4)
    ramp_frames: int = 4
    late_share: float = 0.0
    late_objects: tuple[int, int] = (1, 1)
    absent_frames: tuple[int, int] = (3, 6)
    background_pan_px: tuple[float, float] = (4.0, 16.0)
    blur_sigma_px: tuple[float, float] = (0.3, 0.6)
    streak_share: float = 0.1
    noise_sigma: tuple[float, float] = (2.0, 5.0)


def _test_only(videos: int, frames: int) -> Mapping[str, SplitSize]:
    return MappingProxyType({"test": SplitSize(videos, frames)})


_SHAPES_SPLITS: Mapping[str, SplitSize] = MappingProxyType(
    {"train": SplitSize(500, 12), "val": SplitSize(60, 16), "test": SplitSize(60, 16)}
)

SHAPE_SETS: Mapping[str, SetParameters] = MappingProxyType(
    {
        "shapes": SetParameters(
            splits=_SHAPES_SPLITS, stream="shapes version 2", version=GENERATOR_VERSION, late_share=0.45
        ),
        # What `shapes` was before version 2: hardly an object enters late or comes back after long.
        "shapes-v1": SetParameters(splits=_SHAPES_SPLITS, stream="shapes"),
        # Slow objects of one size that meet in pairs: a pair stays merged for several frames.
        "shapes-occlusion": SetParameters(
            splits=_test_only(30, 16),
            stream="shapes-occlusion",
            object_weights=(0.0, 0.0, 0.0, 0.4, 0.2, 0.4),
            radius_px=(15.0, 19.0),
            scale=(0.85, 1.2),
            speed_px=(1.2, 2.8),
            meeting_share=1.0,
            meeting_pairs=3,
            alike_share=0.0,
            excursion_share=0.0,
        ),
        # Objects of one size that move about a radius per frame, so that a mask overlaps the last mask of
        # another object as often as its own. Colours differ: appearance tells them apart.
        "shapes-crossing": SetParameters(
            splits=_test_only(30, 16),
            stream="shapes-crossing",
            object_weights=(0.0, 0.0, 0.0, 0.5, 0.3, 0.2),
            radius_px=(13.0, 15.0),
            scale=(0.9, 1.1),
            speed_px=(10.0, 15.0),
            heading_rad=0.6,
            sway_px=(0.0, 0.0),
            meeting_share=1.0,
            meeting_pairs=3,
            alike_share=0.0,
            excursion_share=0.0,
        ),
        # All objects of a video look the same: only place and motion tell them apart.
        "shapes-alike": SetParameters(
            splits=_test_only(30, 16),
            stream="shapes-alike",
            object_weights=(0.0, 0.0, 0.3, 0.4, 0.3),
            radius_px=(13.0, 17.0),
            alike_share=1.0,
            all_alike=True,
        ),
        # Long videos in which objects leave and come back several times.
        "shapes-long": SetParameters(
            splits=_test_only(15, 80),
            stream="shapes-long",
            object_weights=(0.0, 0.0, 0.4, 0.35, 0.25),
            speed_px=(0.8, 2.4),
            meeting_share=0.0,
            alike_share=0.3,
            excursion_share=0.9,
            excursion_every_frames=40,
            away_frames=(5, 14),
            ramp_frames=7,
        ),
        # Several objects that enter late, or come back after long, into a scene that goes on meanwhile.
        "shapes-entering": SetParameters(
            splits=_test_only(30, 24),
            stream="shapes-entering",
            version=GENERATOR_VERSION,
            object_weights=(0.0, 0.0, 0.3, 0.4, 0.3),
            meeting_share=0.3,
            excursion_share=0.0,
            late_share=1.0,
            late_objects=(2, 3),
            absent_frames=(3, 10),
        ),
    }
)
