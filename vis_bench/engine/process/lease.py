"""A lease: a file that says who works in a directory, which holds where file locks do not reach.

Locks of one machine (flock) are unknown to the others of a network file system, or are not there at all. A
lease is a file `.lease` with its owner, a heartbeat and how far the work is. It is made by a hard link,
which fails where the name is taken, on network file systems too. The owner writes a new heartbeat every few
seconds, into the file that it has open. A lease whose bytes have not changed for a while, by the clock of
the one who looks, is stale, and so is one of a process of this machine that has ended. One at a time may
take a stale lease over: the one who makes the file `.lease-takeover`. An owner that was taken for dead
(suspended, cut off) finds another file in the place of its own, and stops.

Source: open(2), section O_EXCL, for links as locks on NFS.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vis_bench.cache import machine_mark, remove_abandoned, writer_mark
from vis_bench.errors import MethodError

LEASE_NAME, TAKEOVER_NAME, PREFIX = ".lease", ".lease-takeover", ".lease-of-"
BEAT_SECONDS = 5.0
STALE_SECONDS = 30.0
"""Without a heartbeat for so long a lease may be taken over; well above what a busy machine delays a beat."""
BYTES = 1024
"""Of the file, always: it is written over in place, so that a reader never sees a half of it with an old
end."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class LeaseLostError(MethodError):
    """Another process has taken the work over, since this one gave no sign of life."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lease, and how far the work is. stage_seconds: since its stage began, from `first` on."""

    nonce: str
    host: str
    machine: str
    pid: int
    started: str
    stage: str = ""
    first: int = 0
    done: int = 0
    of: int = 0
    stage_seconds: float = 0.0

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def seconds_left(self) -> float | None:
        """Of the stage that is under way; None before its first step."""
        steps = self.done - self.first
        return self.stage_seconds * (self.of - self.done) / steps if steps > 0 else None


def read_owner(directory: Path) -> tuple[bytes, Owner | None]:
    """The bytes of a directory's lease, and what they say; (b"", None) where there is none."""
    try:
        raw = (directory / LEASE_NAME).read_bytes()
    except OSError:
        return b"", None
    return raw, _owner(raw)


def _owner(raw: bytes) -> Owner | None:
    try:
        found: dict[str, Any] = json.loads(raw)
        found.pop("beat", None)
        return Owner(**found)
    except (ValueError, TypeError, AttributeError, RecursionError):
        # caught while it is written, or none of ours
        return None


@dataclass
class Watch:
    """Looks at leases again and again, and says which have gone stale. One object for one who waits."""

    _seen: dict[Path, tuple[bytes, float]] = field(default_factory=dict)

    def holder(self, directory: Path) -> Owner | None:
        """Who works in a directory; None where nobody does, or whose lease is stale."""
        raw, owner = read_owner(directory)
        if not raw or self.is_stale(directory, raw, owner):
            return None
        return owner or Owner("", "unknown", "", 0, "")

    def is_stale(self, directory: Path, raw: bytes, owner: Owner | None) -> bool:
        """Whether these bytes are those of a process that is gone."""
        if owner is not None and owner.machine == this_machine() and not is_running(owner.pid, owner.started):
            return True
        now = time.monotonic()
        before = self._seen.get(directory)
        if before is None or before[0] != raw:
            self._seen[directory] = (raw, now)
            return False
        return now - before[1] > STALE_SECONDS


class Lease:
    """A lease that this process holds. `note` says how far the work is, `release` ends it."""

    def __init__(self, directory: Path, file: int, owner: Owner) -> None:
        self._directory, self._file, self._owner = directory, file, owner
        self._progress: tuple[str, int, int, int, float] = ("", 0, 0, 0, time.monotonic())
        self._beats = 0
        self._lost = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name=f"lease of {directory.name}")
        self._thread.start()

    def note(self, stage: str, done: int, total: int) -> None:
        """Say how far the work is; it is written with the next heartbeat. Raises LeaseLostError."""
        self.check()
        before, first, _, _, begun = self._progress
        if stage != before:
            first, begun = done, time.monotonic()
        self._progress = (stage, first, done, total, begun)

    def check(self) -> None:
        """Raise LeaseLostError where another process has taken over."""
        if self._lost:
            raise LeaseLostError(
                f"{self._directory}: another process has taken this work over, since this one gave no sign "
                "of "
                f"life for {STALE_SECONDS:.0f} s. What is finished is kept; run the same command again."
            )

    def release(self) -> None:
        """End the lease; the file goes unless it is another's by now."""
        self._over.set()
        self._thread.join()
        mine = self._is_mine()
        os.close(self._file)
        if mine:
            (self._directory / LEASE_NAME).unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            try:
                self._write()
            except OSError:
                # a disk that is full or a server that is away: the next beat may do
                continue
            if not self._is_mine():
                self._lost = True
                return

    def _write(self) -> None:
        self._beats += 1
        stage, first, done, total, begun = self._progress
        facts = {"stage": stage[:200], "first": first, "done": done, "of": total}
        facts["stage_seconds"] = round(time.monotonic() - begun, 1)
        _write(self._file, _content({**_facts(self._owner), **facts, "beat": self._beats}))

    def _is_mine(self) -> bool:
        try:
            there, mine = os.stat(self._directory / LEASE_NAME), os.fstat(self._file)
        except OSError:
            return False
        return os.path.samestat(there, mine)


def _write(file: int, content: bytes) -> None:
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, content)
    os.fsync(file)


def _facts(owner: Owner) -> dict[str, Any]:
    return {name: getattr(owner, name) for name in ("nonce", "host", "machine", "pid", "started")}


def _content(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts).encode().ljust(BYTES - 1) + b"\n"


def try_lease(directory: Path, watch: Watch) -> Lease | None:
    """Take the lease of a directory that is there; None while another process holds it.

    watch: of the one who asks, which remembers how long a lease has not changed. Raises OSError where
    nothing can be written.
    """
    owner = Owner(
        uuid.uuid4().hex, platform.node()[:64], this_machine(), os.getpid(), started_at(os.getpid())
    )
    raw, other = read_owner(directory)
    if raw and not watch.is_stale(directory, raw, other):
        return None
    remove_abandoned(directory, PREFIX)
    temporary = directory / f"{PREFIX}{writer_mark()}-{owner.nonce}"
    file = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    taken = False
    try:
        _write(file, _content(_facts(owner)))
        taken = _take_over(directory, temporary, raw) if raw else _put(temporary, directory / LEASE_NAME)
        return Lease(directory, file, owner) if taken else None
    finally:
        temporary.unlink(missing_ok=True)
        if not taken:
            os.close(file)


def _put(temporary: Path, target: Path) -> bool:
    """Give a file its name unless that is taken."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # no hard links here; between the two calls another could come, whom the first heartbeat finds
        if target.exists():
            return False
        temporary.replace(target)
    return True


def _take_over(directory: Path, temporary: Path, stale: bytes) -> bool:
    """Put a new lease in the place of a stale one, if that is still what is there; one process at a time."""
    marker = directory / TAKEOVER_NAME
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        _remove_abandoned(marker)
        return False
    try:
        if read_owner(directory)[0] != stale:
            return False
        temporary.replace(directory / LEASE_NAME)
        return True
    finally:
        marker.unlink(missing_ok=True)


def _remove_abandoned(marker: Path) -> None:
    """Remove the mark of one who was killed while it took over: that takes no second, and this is older."""
    try:
        # both times are those of the file system: its clock may differ from ours
        probe = marker.with_name(f"{PREFIX}{writer_mark()}-{uuid.uuid4().hex}")
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink(missing_ok=True)
        if now - marker.stat().st_mtime > STALE_SECONDS:
            marker.unlink(missing_ok=True)
    except OSError:
        return


def this_machine() -> str:
    """This machine since it was started, and this container on it."""
    return machine_mark()


def started_at(pid: int) -> str:
    """When a process of this machine was started, so that its number is not taken for another's; empty where
    the system does not say, or for one that has ended."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def is_running(pid: int, started: str) -> bool:
    """Whether the process of this machine is alive, and the same one."""
    if started:
        return started_at(pid) == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def noting(lease: Lease | None, progress: Callable[[str, int, int], None]) -> Callable[[str, int, int], None]:
    """A progress that also stands in the lease, where there is one."""
    if lease is None:
        return progress

    def both(stage: str, done: int, total: int) -> None:
        lease.note(stage, done, total)
        progress(stage, done, total)

    return both
