"""Signals during a training: asked to end, it finishes its step and keeps it; asked to save, it goes on."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_END = ("SIGINT", "SIGTERM", "SIGHUP")
_SAVE = ("SIGUSR1",)


@dataclass
class Interrupts:
    """What has been asked for. ended_by: number of the signal that asks to end, None so far."""

    ended_by: int | None = None
    save: bool = False

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
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
