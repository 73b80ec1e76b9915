"""A sheet of video frames: a row per line, a column per frame, regions with labels and marks drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from vis_bench.report.drawing.palette import BACKGROUND, COLOURS, Colour, identity_colour
from vis_bench.report.drawing.small_png import small_png
from vis_bench.report.videos.label_places import Rectangle, free_place
from vis_bench.report.videos.overlay import draw_leader, label_size, write_label

TILE_SIDE_PX = 256
GAP_PX = 4
HEAD_PX = 132
LINE_PX = 18
_TEXT_PX, _LABEL_PX = 12, 10
_FILL_SHARE = 0.3
_COLOUR_STEP = 16
_OUTLINE_PX = 2
_DASH_PX = 5
_BADGE_PX = 13
_ROW_PX = 18
_PAPER: Colour = (255, 255, 255)
_INK: Colour = (20, 20, 20)
MARK: Colour = (200, 0, 40)
"""Behind the letter of a mark; no identity has it."""
_EXACT = (_PAPER, _INK, MARK, BACKGROUND, *map(identity_colour, range(COLOURS)))


@dataclass(frozen=True, slots=True)
class Region:
    """One object in one frame. mask: bool [H, W]. text: its label, empty for none. marks: letters before it.

    filled: tinted inside. dashed: the outline of what is not there.
    """

    mask: np.ndarray
    colour: Colour
    text: str
    marks: str = ""
    filled: bool = True
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the sheet. frames: the regions of each column, the last on top."""

    title: str
    note: str
    frames: tuple[tuple[Region, ...], ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """A drawn frame. left_out: the regions whose labels found no room in it, the best first."""

    picture: Image.Image
    left_out: tuple[Region, ...] = ()


def draw_sheet(
    title: str,
    heads: Sequence[str],
    frames: Sequence[np.ndarray],
    lines: Sequence[Line],
    legend: Sequence[tuple[str, str]],
) -> bytes:
    """A PNG. heads: above the columns. frames: uint8 [H, W, 3], one a column. legend: letter and meaning.

    Labels for which a tile has no room stand beneath it.
    """
    size = tile_size(frames[0].shape[1], frames[0].shape[0])
    pictures = [Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC) for frame in frames]
    width = HEAD_PX + len(frames) * (size[0] + GAP_PX) + GAP_PX
    entries = _legend_lines(legend, width)
    top = 2 * LINE_PX + GAP_PX
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    rows = [
        [draw_tile(picture, regions) for picture, regions in zip(pictures, line.frames, strict=True)]
        for line in lines
    ]
    below = [[_beneath(ruler, tile.left_out, size[0]) for tile in tiles] for tiles in rows]
    strips = [max((round(one[-1][1][1]) + _ROW_PX for one in row if one), default=0) for row in below]
    height = top + len(lines) * (size[1] + GAP_PX) + sum(strips) + len(entries) * LINE_PX + GAP_PX
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text(
        (GAP_PX, 2),
        _fitting(title, _font(_TEXT_PX + 1), width - 2 * GAP_PX),
        fill=_INK,
        font=_font(_TEXT_PX + 1),
    )
    for column, head in enumerate(heads):
        draw.text((HEAD_PX + column * (size[0] + GAP_PX), LINE_PX + 3), head, fill=_INK, font=_font(_TEXT_PX))
    for line, tiles, lists, strip in zip(lines, rows, below, strips, strict=True):
        _write_head(draw, line, top, size[1])
        for column, (tile, listed) in enumerate(zip(tiles, lists, strict=True)):
            start = HEAD_PX + column * (size[0] + GAP_PX)
            sheet.paste(tile.picture, (start, top))
            for region, room in listed:
                down = top + size[1] + 2
                _write_entry(draw, region, (start + room[0], down + room[1], start + room[2], down + room[3]))
        top += size[1] + strip + GAP_PX
    for entry in entries:
        _write_legend(draw, entry, top)
        top += LINE_PX
    return small_png(sheet, exact=_EXACT)


def tile_size(width: int, height: int) -> tuple[int, int]:
    """Size of a drawn frame in pixels: the longer side becomes TILE_SIDE_PX, the shape stays."""
    scale = TILE_SIDE_PX / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def draw_tile(picture: Image.Image, regions: Sequence[Region]) -> Tile:
    """A frame at tile size with its regions: tint, outline in full colour, then marks and labels on top.

    The frame is drawn in steps of its colours, which halves the file.
    """
    pixels = np.minimum((np.array(picture).astype(np.float32) / _COLOUR_STEP).round() * _COLOUR_STEP, 255)
    masks = [_resized(region.mask, picture.size) for region in regions]
    for region, mask in zip(regions, masks, strict=True):
        colour = np.array(region.colour, dtype=np.float32)
        if region.filled:
            pixels[mask] = (1 - _FILL_SHARE) * pixels[mask] + _FILL_SHARE * colour
        # border_value=1: a region cut off by the edge of the frame gets no outline along that edge
        edge = mask & ~ndimage.binary_erosion(mask, iterations=_OUTLINE_PX, border_value=1)
        if region.dashed:
            rows, columns = np.indices(mask.shape)
            gap = (rows + columns) // _DASH_PX % 2 == 0
            pixels[edge & gap] = np.array(_PAPER, dtype=np.float32)
            edge &= ~gap
        pixels[edge] = colour
    tile = Image.fromarray(pixels.round().astype(np.uint8))
    return Tile(tile, _write_labels(ImageDraw.Draw(tile), regions, masks))


def _write_labels(
    draw: ImageDraw.ImageDraw, regions: Sequence[Region], masks: Sequence[np.ndarray]
) -> tuple[Region, ...]:
    """Marks and labels of a tile, none over another; those for which there was no room.

    A mark without a label says something of the place where it stands, so these are set first. Then the
    label of the region on top chooses first.
    """
    taken: list[Rectangle] = []
    found: list[tuple[Region, np.ndarray, Rectangle]] = []
    left_out: list[Region] = []
    shown = [(region, mask) for region, mask in zip(regions, masks, strict=True) if mask.any()]
    for alone in (True, False):
        for region, mask in reversed(shown):
            if (region.text == "") != alone or not (region.text or region.marks):
                continue
            room = _room(draw, region, mask, taken)
            if room is None:
                left_out.append(region)
                continue
            taken.append(room)
            found.append((region, mask, room))
    # no line crosses a label
    for region, mask, room in found:
        if region.text:
            draw_leader(draw, room, _around(mask), region.colour)
    for region, _, room in found:
        _write_entry(draw, region, room)
    return tuple(left_out)


def _room(
    draw: ImageDraw.ImageDraw, region: Region, mask: np.ndarray, taken: Sequence[Rectangle]
) -> Rectangle | None:
    """The place of a region's label: beside it, or at its deepest point where it is a mark alone."""
    frame = (mask.shape[0], mask.shape[1])
    if region.text:
        return free_place(_around(mask), _entry_size(draw, region), frame, taken)
    width, height = _entry_size(draw, region)
    x, y = _inside(mask)
    # the first place that is tried ends at the lower edge of this rectangle: the mark stands around the point
    return free_place(
        (x - width / 2, y + height / 2, x + width / 2, y + height / 2), (width, height), frame, taken
    )


def _around(mask: np.ndarray) -> Rectangle:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1])


def _entry_size(draw: ImageDraw.ImageDraw, region: Region) -> tuple[float, float]:
    """Width and height of a label with its marks."""
    badges = float(_BADGE_PX * len(region.marks))
    if not region.text:
        return badges, float(_BADGE_PX)
    width, height = label_size(draw, region.text, _font(_LABEL_PX))
    return width + badges, height


def _write_entry(draw: ImageDraw.ImageDraw, region: Region, room: Rectangle) -> None:
    _write_badges(draw, region.marks, room)
    if region.text:
        label = (room[0] + _BADGE_PX * len(region.marks), *room[1:])
        write_label(draw, label, region.text, _font(_LABEL_PX), region.colour)


def _beneath(
    draw: ImageDraw.ImageDraw, left_out: Sequence[Region], width: int
) -> list[tuple[Region, Rectangle]]:
    """Where the labels without room in a tile stand beneath it: in rows, from (0, 0) on."""
    found: list[tuple[Region, Rectangle]] = []
    x = y = 0.0
    for region in left_out:
        across, down = _entry_size(draw, region)
        if x and x + across > width:
            x, y = 0.0, y + _ROW_PX
        found.append((region, (x, y, x + across, y + down)))
        x += across + 2
    return found


def _write_badges(draw: ImageDraw.ImageDraw, letters: str, room: Rectangle) -> None:
    for number, letter in enumerate(letters):
        left = room[0] + number * _BADGE_PX
        draw.rectangle((left, room[1], left + _BADGE_PX - 1, room[3]), fill=MARK)
        middle = (left + _BADGE_PX / 2, (room[1] + room[3]) / 2)
        draw.text(middle, letter, fill=_PAPER, font=_font(_LABEL_PX, bold=True), anchor="mm")


def _inside(mask: np.ndarray) -> tuple[float, float]:
    """(x, y) of the deepest point of a mask."""
    # only the mask's own rectangle: the transform of whole frames would take most of a picture's time
    rows, columns = ndimage.find_objects(mask.astype(np.uint8))[0]
    distance = ndimage.distance_transform_edt(np.pad(mask[rows, columns], 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(columns.start + column), float(rows.start + row)


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)).astype(bool)


def _write_head(draw: ImageDraw.ImageDraw, line: Line, top: int, height: int) -> None:
    """Name and note of a row, in as many lines as the name needs."""
    font, room = _font(_TEXT_PX, bold=True), HEAD_PX - 2 * GAP_PX
    most = max(1, height // LINE_PX - 1)
    y = top + GAP_PX
    wrapped = [text for part in line.title.split(", ") for text in _wrapped(part, font, room)]
    for text in wrapped[:most]:
        draw.text((GAP_PX, y), _fitting(text, font, room), fill=_INK, font=font)
        y += LINE_PX
    draw.text((GAP_PX, y), _fitting(line.note, _font(_TEXT_PX), room), fill=_INK, font=_font(_TEXT_PX))


def _wrapped(text: str, font: ImageFont.FreeTypeFont, room: int) -> list[str]:
    """Lines broken at spaces, and after an underscore or @ where a word alone is too long."""
    lines = [""]
    for word in text.replace("_", "_\0").replace("@", "\0@").replace(" ", " \0").split("\0"):
        if lines[-1] and font.getlength((lines[-1] + word).rstrip()) > room:
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines]


def _legend_lines(legend: Sequence[tuple[str, str]], width: int) -> list[list[tuple[str, str]]]:
    """The entries, as many in a line as there is room for."""
    lines: list[list[tuple[str, str]]] = [[]]
    left = GAP_PX
    for letter, text in legend:
        needed = _entry_px(letter, text)
        if lines[-1] and left + needed > width:
            lines.append([])
            left = GAP_PX
        lines[-1].append((letter, text))
        left += needed
    return lines


def _entry_px(letter: str, text: str) -> int:
    return round(_font(_TEXT_PX).getlength(text)) + (_BADGE_PX + 4 if letter else 0) + 18


def _write_legend(draw: ImageDraw.ImageDraw, entries: Sequence[tuple[str, str]], top: int) -> None:
    left = GAP_PX
    for letter, text in entries:
        start = left
        if letter:
            _write_badges(draw, letter, (left, top + 2, left + _BADGE_PX, top + 2 + _BADGE_PX))
            start += _BADGE_PX + 4
        draw.text((start, top + 2), text, fill=_INK, font=_font(_TEXT_PX))
        left += _entry_px(letter, text)


def _font(size_px: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as it comes with matplotlib: the same letters on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf" / name, size_px)


def _fitting(text: str, font: ImageFont.FreeTypeFont, width_px: int) -> str:
    if font.getlength(text) <= width_px:
        return text
    kept = next((n for n in range(len(text), 0, -1) if font.getlength(text[:n] + "…") <= width_px), 0)
    return text[:kept] + "…"
