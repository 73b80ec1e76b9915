"""The viewer as a page of its own: tracks on videos without annotations."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from vis_bench.files import write_text
from vis_bench.report.videos.viewer import Viewer

PAGE_NAME = "videos.html"


def write_videos_page(folder: Path, viewer: Viewer, title: str) -> Path:
    """Write videos.html, one file that opens from disk without network; returns its path."""
    environment = Environment(
        loader=PackageLoader("vis_bench.report.formats"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("videos.html.j2").render(viewer=viewer, title=title)
    write_text(folder / PAGE_NAME, text)
    return folder / PAGE_NAME
