"""Where a file of the repository stands in the site, and links that follow it there.

On a forge a link is relative to its file. In the site the pages of other folders stand elsewhere, so the
links of every page are written anew; one that leads nowhere is an error, in the site and on a forge alike.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT_PAGES = {
    "README.md": "project/overview.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
}
PICTURES = (".png", ".svg", ".jpg", ".gif")
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
FENCE = re.compile(r"^\s*(```|~~~)")


def place_in_site(path: str) -> str:
    """Path in the site of a file or folder of the repository; both are relative, with slashes."""
    if path in PROJECT_PAGES:
        return PROJECT_PAGES[path]
    first, *rest = path.split("/")
    if first == "docs" and rest and path.endswith(".md"):
        return "/".join(rest)
    if first == "methods" and rest and rest[1:] in ([], ["README.md"]):
        return f"methods/{rest[0]}.md"
    if path.endswith(PICTURES) or (first == "reports" and path.endswith(".md")):
        return path
    return f"files/{path}/index.md" if (ROOT / path).is_dir() else f"files/{path}.md"


def prose_lines(text: str) -> Iterator[tuple[int, str, bool]]:
    """(number from 0, line, whether it is prose and no code) of every line."""
    inside = False
    for number, line in enumerate(text.split("\n")):
        fence = bool(FENCE.match(line))
        yield number, line, not (inside or fence)
        inside ^= fence


def links_of(text: str) -> list[str]:
    """Targets of the links of a page that stay in the repository, as written."""
    found = [target for _, line, prose in prose_lines(text) if prose for _, target, _ in LINK.findall(line)]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def target_of(page: str, link: str) -> tuple[str, str]:
    """(path in the repository, anchor with its #) of a link on the page of that path."""
    path, mark, anchor = link.partition("#")
    whole = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    return whole, mark + anchor


def title_of(path: str) -> str:
    """What the site calls a page of the repository: its heading, up to a colon."""
    heading = re.search(r"^# (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    return heading[1].partition(":")[0] if heading else posixpath.basename(path)


def with_site_links(page: str, text: str, place: str) -> str:
    """The text of a page of the repository whose links fit its place in the site.

    A link called by the name of its file (`[training.md](training.md)`) is called by the page's title.

    Raises:
        FileNotFoundError: a link leads to nothing in the repository.
    """

    def rewritten(found: re.Match[str]) -> str:
        before, link, after = found.groups()
        if re.match(r"[a-z]+:", link) or link.startswith("#"):
            return found[0]
        path, anchor = target_of(page, link)
        if path.startswith("..") or not (ROOT / path).exists():
            raise FileNotFoundError(f"{page}: the link to {link} leads nowhere.")
        name = posixpath.basename(path)
        if path.endswith(".md") and before in (f"[{name}](", f"[docs/{name}](") and name != "README.md":
            before = f"[{title_of(path)}]("
        return (
            before + posixpath.relpath(place_in_site(path), posixpath.dirname(place) or ".") + anchor + after
        )

    lines = [LINK.sub(rewritten, line) if prose else line for _, line, prose in prose_lines(text)]
    return "\n".join(lines)
