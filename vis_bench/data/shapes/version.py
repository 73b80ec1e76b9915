"""The version of the generator: a hash of the sources that decide what a video looks like."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from vis_bench.files import sha256

# Parameters are written in parameters.py, so they are part of the hash.
SOURCES = ("motion.py", "outline.py", "parameters.py", "render.py", "scenario.py", "truth.py", "write.py")


@cache
def generator_version() -> str:
    """Twelve hexadecimal digits that change with every edit of the sources."""
    folder = Path(__file__).parent
    parts = [name.encode() + b"\0" + _source(folder / name) for name in SOURCES]
    return sha256(b"\0".join(parts))[:12]


def _source(path: Path) -> bytes:
    # Line ends depend on how the package was checked out.
    return path.read_bytes().replace(b"\r\n", b"\n")
