"""Fails if a page of the site loads anything from elsewhere: python docs/site/check_offline.py FOLDER."""

from __future__ import annotations

import re
import sys
from pathlib import Path

# what a browser fetches by itself; links that a reader follows may lead anywhere
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|link(?![^>]*rel=["']?(?:canonical|next|prev)))\b[^>]*?"""
    r"""(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)"""
)
LOADED_BY_CSS = re.compile(r"""(?:url\(|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")


def foreign(folder: Path) -> list[str]:
    """`page: address` of everything that is fetched from another place."""
    found = []
    for path in sorted(folder.rglob("*")):
        pattern = {".html": LOADED, ".css": LOADED_BY_CSS}.get(path.suffix)
        if pattern is not None:
            text = path.read_text(encoding="utf-8")
            found += [f"{path.relative_to(folder)}: {address}" for address in pattern.findall(text)]
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    pages = sum(1 for _ in folder.rglob("*.html"))
    found = foreign(folder)
    print("\n".join(found) if found else f"{pages} pages, nothing loaded from elsewhere")
    sys.exit(1 if found or not pages else 0)


if __name__ == "__main__":
    main()
