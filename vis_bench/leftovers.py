"""Temporary files and folders that killed writers left: known by the process in their name, and removed."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
from pathlib import Path


def writer_mark() -> str:
    """What stands in the name of a temporary file or folder: this process, and the machine that it is of."""
    return f"{os.getpid()}-{_machine()}"


def remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove what writers left in a folder that were killed on this machine; live ones keep theirs.

    prefix: of the names, followed by the `writer_mark` and a dash.
    """
    marked = re.compile(rf"{re.escape(prefix)}(\d+)-{_machine()}-")
    try:
        names = [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return
    for name in names:
        found = marked.match(name)
        if found is None or _is_alive(int(found[1])):
            continue
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@functools.cache
def _machine() -> str:
    """Eight characters for this machine, since it was started, and this container on it."""
    parts = [platform.node()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    except OSError:
        pass  # no Linux: the name has to do
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # of another user, or no number of a process
    return True
