"""The version of the generator: a hash of the sources that decide what a video looks like."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from vis_bench.files import sha256

# The parameters of the sets are written in parameters.py, so they are part of the hash.
# Files that only distribute or find the work are left out, so that mending them does not renew the data.
SOURCES = ("layout.py", "motion.py", "outline.py", "parameters.py", "render.py", "scenario.py", "truth.py")


@cache
def generator_version() -> str:
    """Twelve hexadecimal digits that change with every edit of the sources, comments included."""
    return sources_hash(Path(__file__).parent)


def sources_hash(folder: Path) -> str:
    """Hash of the files SOURCES in `folder`; line ends do not count, they depend on the checkout."""
    parts = [name.encode() + b"\0" + (folder / name).read_bytes() for name in SOURCES]
    return sha256(b"\0".join(parts).replace(b"\r\n", b"\n"))[:12]
