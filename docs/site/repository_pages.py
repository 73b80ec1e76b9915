"""Pages of the site that stand outside docs/: what README, docs and methods link to, and so on from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from site_links import PICTURES, PROJECT_PAGES, ROOT, links_of, place_in_site, target_of

# longer texts are named with their size
LONGEST_TEXT_BYTES = 100_000
MOST_NAMES = 200
LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json", ".cff": "yaml", ".c": "c"}


@dataclass(frozen=True)
class Page:
    """What becomes one file of the site: a text, or a picture that is copied (`copied`)."""

    path: str  # in the repository
    text: str = ""
    copied: Path | None = None

    @property
    def place(self) -> str:
        return place_in_site(self.path)


def repository_pages() -> Iterator[Page]:
    """Every page that the site needs beside docs/, each once."""
    docs = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    methods = {str(path.relative_to(ROOT)) for path in sorted((ROOT / "methods").glob("*/README.md"))}
    waiting = sorted({*docs, *PROJECT_PAGES, *methods})
    seen = {place_in_site(path) for path in waiting}
    while waiting:
        page = page_of(waiting.pop(0))
        if page.path not in docs:
            yield page
        for link in links_of(page.text) if page.path.endswith(".md") else ():
            path, _ = target_of(page.path, link)
            if place_in_site(path) not in seen and (ROOT / path).exists() and not path.startswith(".."):
                seen.add(place_in_site(path))
                waiting.append(path)


def page_of(path: str) -> Page:
    place = ROOT / path
    if path.endswith(PICTURES):
        return Page(path, copied=place)
    if path.endswith(".md"):
        return Page(path, place.read_text(encoding="utf-8"))
    return Page(path, folder_text(place) if place.is_dir() else file_text(place))


def file_text(path: Path) -> str:
    title = f"# {path.name}\n\n`{path.relative_to(ROOT)}` of the repository.\n\n"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = None
    if text is None or len(text) > LONGEST_TEXT_BYTES:
        return f"{title}{path.stat().st_size:,} bytes, not shown here.\n"
    return f"{title}````{LANGUAGES.get(path.suffix, 'text')}\n{text.rstrip()}\n````\n"


def folder_text(folder: Path) -> str:
    """The names of what lies below a folder, with sizes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    names = [f"{path.stat().st_size:>12,}  {path.relative_to(folder)}" for path in files[:MOST_NAMES]]
    more = [f"and {len(files) - MOST_NAMES} more"] if len(files) > MOST_NAMES else []
    return (
        f"# {folder.name}\n\n`{folder.relative_to(ROOT)}` of the repository, bytes of each file:\n\n"
        + "\n".join(["```text", *names, *more, "```", ""])
    )
