"""The report as one HTML file that opens from disk: no network, pictures inside, tables that can be sorted.

It shows the same `Page` as the Markdown report; nothing is computed here.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from vis_bench.errors import DataError
from vis_bench.files import read_bytes, write_text
from vis_bench.report.formats.markdown import CSV_NAME, NOT_INSTALLED
from vis_bench.report.tables.page import ABOUT, BlockPart, BlockPlots, Page
from vis_bench.report.videos.viewer import Viewer

HTML_NAME = "report.html"
TEMPLATE = "report.html.j2"
PICTURES_BYTES = 4_000_000
"""Pictures of frames beyond this many bytes are named instead of shown; plots are always shown."""
_PNG_BYTES = 200_000
_JPEG_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture inside the page. source: a data URI, None where it was left out for its size.

    width, height: in pixels; the page keeps their room, so that a link leads to the right place at once.
    """

    title: str
    about: str
    name: str
    source: str | None
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class BlockView:
    """What the template shows of a block."""

    part: BlockPart
    plots: tuple[Shown, ...]
    notes: tuple[str, ...]


def write_html(
    folder: Path,
    page: Page,
    pictures: Mapping[str, Path],
    plots: Sequence[BlockPlots] = (),
    viewer: Viewer | None = None,
    no_viewer: str = "",
) -> Path:
    """Write report.html of a page; returns its path.

    pictures: files by their caption. plots: those of each block; empty for none. viewer: of the videos, None
    for none; no_viewer then says why, empty to say nothing. Raises DataError for a missing picture.
    """
    shown = list(plots) or [BlockPlots()] * len(page.blocks)
    blocks = [
        BlockView(
            part,
            tuple(
                _shown(plot.title, plot.about, plot.path, read_bytes(plot.path), "image/png")
                for plot in own.plots
            ),
            own.notes,
        )
        for part, own in zip(page.blocks, shown, strict=True)
    ]
    environment = Environment(
        loader=PackageLoader("vis_bench.report.formats"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(TEMPLATE).render(
        about=ABOUT,
        page=page,
        blocks=blocks,
        pictures=_pictures(pictures),
        viewer=viewer,
        no_viewer=no_viewer,
        csv_name=CSV_NAME,
        not_installed=NOT_INSTALLED,
    )
    write_text(folder / HTML_NAME, text)
    return folder / HTML_NAME


def data_uri(data: bytes, kind: str) -> str:
    """Bytes as an address that holds them; kind: the media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _pictures(pictures: Mapping[str, Path]) -> list[Shown]:
    left, found = PICTURES_BYTES, []
    for label, path in pictures.items():
        data, kind = _compact(path)
        left -= len(data)
        shown = _shown(label, "", path, data, kind)
        found.append(shown if left >= 0 else replace(shown, source=None))
    return found


def _shown(title: str, about: str, path: Path, data: bytes, kind: str) -> Shown:
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    return Shown(title, about, path.name, data_uri(data, kind), width, height)


def _compact(path: Path) -> tuple[bytes, str]:
    """A picture and its media type; a large PNG of video frames becomes a JPEG."""
    if not path.is_file():
        raise DataError(f"{path}: no such picture for the report.")
    data = read_bytes(path)
    if len(data) <= _PNG_BYTES:
        return data, "image/png"
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").save(buffer, format="JPEG", quality=_JPEG_QUALITY, optimize=True)
    return buffer.getvalue(), "image/jpeg"
