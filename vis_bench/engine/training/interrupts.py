"""Signals during a training: asked to end, it finishes its step and keeps it; asked to save, it goes on.

Where somebody listened to the signal to save before (a job of a cluster that is about to be taken away), the
signal is passed on to them once the state is on disk.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

_END = ("SIGINT", "SIGTERM", "SIGHUP")
_SAVE = ("SIGUSR1",)


@dataclass
class Interrupts:
    """What has been asked for. ended_by: number of the signal that asks to end, None so far. asked_before:
    who listened to the signal to save before the training did, None for nobody."""

    ended_by: int | None = None
    save: bool = False
    asked_before: Callable[[int, FrameType | None], Any] | None = None

    def saved(self) -> None:
        """The state is on disk, which may be all that somebody else waits for, who may then end the
        process."""
        asked, self.save = self.save, False
        if asked and self.asked_before is not None:
            self.asked_before(signal.SIGUSR1, None)

    def raise_if_ended(self) -> None:
        """KeyboardInterrupt after SIGINT, SystemExit with 128 + number after another signal."""
        if self.ended_by == signal.SIGINT:
            raise KeyboardInterrupt
        if self.ended_by is not None:
            sys.exit(128 + self.ended_by)


@contextmanager
def listening() -> Iterator[Interrupts]:
    """Hear SIGINT, SIGTERM, SIGHUP and SIGUSR1 inside the block; a second SIGINT ends at once.

    A signal that is ignored (SIGHUP under nohup) stays ignored.

    Only the main thread can listen; elsewhere nothing is heard and signals do what they always do.
    """
    heard = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield heard
        return

    def end(number: int, frame: FrameType | None) -> None:
        if heard.ended_by is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        heard.ended_by = number

    def save(number: int, frame: FrameType | None) -> None:
        heard.save = True

    handlers = {**dict.fromkeys(_END, end), **dict.fromkeys(_SAVE, save)}
    numbers = {getattr(signal, name): handler for name, handler in handlers.items() if hasattr(signal, name)}
    before = {
        number: signal.signal(number, handler)
        for number, handler in numbers.items()
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    earlier = before.get(getattr(signal, _SAVE[0], None))
    heard.asked_before = earlier if callable(earlier) else None
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # heard too late for a state: the training is over, and what came of it is kept
    heard.saved()
