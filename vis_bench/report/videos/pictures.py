"""Pictures of tracks: the annotated objects above, a method's tracks below, colours following identity.

A track takes the colour of the annotated object that it overlaps most over the whole video, so where it
jumps to another object its colour does not fit there: an identity switch can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from vis_bench.data.frames import image_root_of, load_video_frame
from vis_bench.errors import UsageError
from vis_bench.files import write_bytes
from vis_bench.report.drawing.palette import BACKGROUND, COLOURS, Colour, identity_colour
from vis_bench.report.drawing.small_png import small_png
from vis_bench.report.tables.text import one_line
from vis_bench.report.videos.identity_colours import closest_truth, track_region
from vis_bench.types import Dataset, IouType, Track, TruthTrack, Video

TILE_SIDE_PX = 320
GAP_PX = 4
TEXT_LINE_PX = 26
_FILL_SHARE = 0.5
_GREY_STEP = 10
_OUTLINE_PX = 2
_TEXT_SIZE_PX = 13
_ROOM_FOR_NUMBER_PX = 7
_PAPER: Colour = (255, 255, 255)
_INK: Colour = (20, 20, 20)
_EXACT = (_PAPER, _INK, BACKGROUND, *map(identity_colour, range(COLOURS)))
LEGEND = (
    "number: track; colour: the annotated object that the track overlaps most over the whole video; "
    "grey: background"
)


@dataclass(frozen=True, slots=True)
class Region:
    """One object in one frame: mask bool [H, W], colour, number drawn on it, and whether it is filled."""

    mask: np.ndarray
    colour: Colour
    number: int
    filled: bool = True


def method_picture(
    path: Path,
    dataset: Dataset,
    tracks: Sequence[Track],
    title: str,
    video_ids: Sequence[int] | None = None,
    frames_per_video: int = 6,
    min_score: float = 0.3,
    iou_type: IouType = "segm",
) -> None:
    """Write a PNG with evenly spaced frames of some videos: truth above, tracks below.

    video_ids: None for the video with most annotated objects and the median one. min_score: tracks with a
    score above it are drawn, as the tracking metrics count them. iou_type: `bbox` draws truth and tracks as
    the outlines of their boxes. Where the truth is hidden the upper row shows bare frames and tracks take
    colours by rank. Raises DataError when the data set has no frames or one cannot be read, and UsageError
    for an unknown video or fewer than one frame.
    """
    image_root_of(dataset)  # refuses a data set without frames before anything is computed
    if frames_per_video < 1:
        raise UsageError(f"frames_per_video is {frames_per_video}, at least 1 is needed.")
    videos = choose_videos(dataset) if video_ids is None else _named_videos(dataset, video_ids)
    strips: list[Image.Image | str] = [one_line(title), LEGEND]
    for video in videos:
        own = [track for track in tracks if track.video_id == video.id and track.score > min_score]
        strips += _video_strips(dataset, video, own, frames_per_video, min_score, iou_type)
    write_bytes(path, small_png(_stack_strips(strips), exact=_EXACT))


def choose_videos(dataset: Dataset) -> tuple[Video, ...]:
    """The video with most annotated objects and the one at the median, both lowest id first among equals."""
    order = sorted(dataset.videos, key=lambda video: (-len(dataset.tracks_by_video[video.id]), video.id))
    return tuple(order if len(order) < 2 else (order[0], order[len(order) // 2]))


def _named_videos(dataset: Dataset, video_ids: Sequence[int]) -> tuple[Video, ...]:
    for number in video_ids:
        if number not in dataset.video_by_id:
            raise UsageError(f"{dataset.name} {dataset.split} has no video with id {number}.")
    return tuple(dataset.video_by_id[number] for number in video_ids)


def frame_indices(length: int, count: int) -> tuple[int, ...]:
    """At most `count` evenly spaced frame numbers (0-based), first and last included when count >= 2."""
    if count >= length:
        return tuple(range(length))
    return tuple(int(index) for index in np.linspace(0, length - 1, count).round())


def _video_strips(
    dataset: Dataset,
    video: Video,
    tracks: Sequence[Track],
    count: int,
    min_score: float,
    iou_type: IouType,
) -> list[Image.Image | str]:
    ranked = sorted(tracks, key=lambda track: -track.score)
    truth = dataset.tracks_by_video[video.id]
    hidden = dataset.tracks is None
    closest = closest_truth(ranked, truth, video, iou_type)
    colours = [
        identity_colour(rank) if hidden else BACKGROUND if index is None else identity_colour(index)
        for rank, index in enumerate(closest)
    ]
    indices = frame_indices(video.length, count)
    upper, lower = [], []
    for index in indices:
        frame = load_video_frame(dataset, video, index)
        upper.append(draw_tile(frame, _truth_regions(truth, index, video, iou_type), f"frame {index}"))
        lower.append(draw_tile(frame, _track_regions(ranked, colours, index, video, iou_type)))
    name = one_line(video.name)
    truth_text = "truth not public" if hidden else f"truth, {len(truth)} objects"
    return [
        f"{name}: {truth_text}",
        _beside(upper),
        f"{name}: predicted, {len(ranked)} tracks with a score above {min_score:g}",
        _beside(lower),
    ]


def _truth_regions(truth: Sequence[TruthTrack], frame: int, video: Video, iou_type: IouType) -> list[Region]:
    masks = [track_region(track, frame, video, iou_type) for track in truth]
    return [
        Region(mask, identity_colour(position), position + 1, filled=iou_type == "segm")
        for position, mask in enumerate(masks)
        if mask is not None
    ]


def _track_regions(
    ranked: Sequence[Track], colours: Sequence[Colour], frame: int, video: Video, iou_type: IouType
) -> list[Region]:
    """Regions from the lowest to the highest score, so that the best track is drawn last."""
    regions = []
    for rank in reversed(range(len(ranked))):
        mask = track_region(ranked[rank], frame, video, iou_type)
        if mask is not None:
            regions.append(Region(mask, colours[rank], rank + 1, filled=iou_type == "segm"))
    return regions


def tile_size(width: int, height: int) -> tuple[int, int]:
    """Size of a drawn frame in pixels: the longer side becomes TILE_SIDE_PX, the shape stays."""
    scale = TILE_SIDE_PX / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def draw_tile(frame: np.ndarray, regions: Sequence[Region], label: str = "") -> Image.Image:
    """A frame (uint8 [H, W, 3]) at tile size with tinted regions, outlines in full colour, and numbers.

    The frame itself is drawn without colour, so that every colour in a picture is an identity, and in 27
    shades of grey, which makes files a third as large.
    """
    size = tile_size(frame.shape[1], frame.shape[0])
    grey = Image.fromarray(frame).convert("L").convert("RGB")
    pixels = np.asarray(grey.resize(size, Image.Resampling.BICUBIC)).astype(np.float32)
    pixels = np.minimum((pixels / _GREY_STEP).round() * _GREY_STEP, 255)
    masks = [_resized(region.mask, size) for region in regions]
    for region, mask in zip(regions, masks, strict=True):
        colour = np.array(region.colour, dtype=np.float32)
        if region.filled:
            pixels[mask] = (1 - _FILL_SHARE) * pixels[mask] + _FILL_SHARE * colour
        # border_value=1: a region cut off by the edge of the frame gets no outline along that edge
        pixels[mask & ~ndimage.binary_erosion(mask, iterations=_OUTLINE_PX, border_value=1)] = colour
    tile = Image.fromarray(pixels.round().astype(np.uint8))
    draw = ImageDraw.Draw(tile)
    for region, mask in zip(regions, masks, strict=True):
        if mask.any():
            _write_number(draw, mask, region.number)
    if label:
        _write(draw, (3, 1), label, anchor="la")
    return tile


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)).astype(bool)


def _write_number(draw: ImageDraw.ImageDraw, mask: np.ndarray, number: int) -> None:
    """The number in the deepest point of a mask, or above the mask where it would cover all of it."""
    # only the mask's own rectangle: the transform of whole frames would take most of a picture's time
    rows, columns = ndimage.find_objects(mask.astype(np.uint8))[0]
    distance = ndimage.distance_transform_edt(np.pad(mask[rows, columns], 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    half = _TEXT_SIZE_PX // 2
    x = min(max(columns.start + int(column), half), mask.shape[1] - half)
    y = min(max(rows.start + int(row), half), mask.shape[0] - half)
    if distance[row, column] >= _ROOM_FOR_NUMBER_PX:
        _write(draw, (x, y), str(number), anchor="mm")
    else:
        _write(draw, (x, max(rows.start - 3, _TEXT_SIZE_PX)), str(number), anchor="mb")


def _font(size_px: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as it comes with matplotlib: the same letters on every machine."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size_px)


def _write(draw: ImageDraw.ImageDraw, point: tuple[int, int], text: str, anchor: str) -> None:
    draw.text(
        point, text, fill=_PAPER, stroke_fill=_INK, stroke_width=2, font=_font(_TEXT_SIZE_PX), anchor=anchor
    )


def _beside(tiles: Sequence[Image.Image]) -> Image.Image:
    width = sum(tile.width for tile in tiles) + GAP_PX * (len(tiles) - 1)
    strip = Image.new("RGB", (width, max(tile.height for tile in tiles)), _PAPER)
    left = 0
    for tile in tiles:
        strip.paste(tile, (left, 0))
        left += tile.width + GAP_PX
    return strip


def _stack_strips(strips: Sequence[Image.Image | str]) -> Image.Image:
    """Strips below each other; a text takes one line and is cut where it is wider than the picture."""
    width = max((strip.width for strip in strips if isinstance(strip, Image.Image)), default=TILE_SIDE_PX)
    heights = [TEXT_LINE_PX if isinstance(strip, str) else strip.height + GAP_PX for strip in strips]
    picture = Image.new("RGB", (width + 2 * GAP_PX, sum(heights) + GAP_PX), _PAPER)
    draw, font, top = ImageDraw.Draw(picture), _font(15), 0
    for strip, height in zip(strips, heights, strict=True):
        if isinstance(strip, str):
            draw.text((GAP_PX, top + 4), _fitting(strip, font, width), fill=_INK, font=font)
        else:
            picture.paste(strip, (GAP_PX, top))
        top += height
    return picture


def _fitting(text: str, font: ImageFont.FreeTypeFont, width_px: int) -> str:
    if font.getlength(text) <= width_px:
        return text
    kept = next((n for n in range(len(text), 0, -1) if font.getlength(text[:n] + "…") <= width_px), 0)
    return text[:kept] + "…"
