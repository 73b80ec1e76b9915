"""Progress of long work: one callback type, shown as tqdm bars or, in a log, as lines; durations in words."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from tqdm import tqdm

from vis_bench.engine.process.time_left import TimeLeft

LINE_SECONDS = 30
"""A log gets a line so often, not one a step."""

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


def silent(stage: str, done: int, total: int) -> None:
    """Show nothing."""


def duration(seconds: float) -> str:
    """Two units at most: `45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


class _Line:
    """In place of a bar where standard error is a file: a line every half minute, and nothing that moves."""

    def __init__(self, desc: str, total: int, initial: int) -> None:
        self.n = initial
        self._desc, self._total = desc, total
        self._shown = time.monotonic()

    def update(self, more: float) -> None:
        self.n += round(more)
        now = time.monotonic()
        if now - self._shown >= LINE_SECONDS:
            self._shown = now
            print(f"{self._desc}: {self.n:,} of {self._total:,}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing is open."""


class Bars:
    """One bar per labelled job, on standard error; a bar restarts when its job enters another stage."""

    def __init__(self) -> None:
        self._bars: dict[str, tuple[str, tqdm | _Line]] = {}

    def update(self, label: str, stage: str, done: int, total: int) -> None:
        """Move the bar of `label`; opens it at the first call of a stage."""
        known = self._bars.get(label)
        if known is None or known[0] != stage:
            if known is not None:
                known[1].close()
            # an image stage is a job of one stage, and called after it
            desc = label if label.endswith(stage) else f"{label}: {stage}"
            bar: tqdm | _Line
            if sys.stderr.isatty():
                bar = tqdm(
                    total=total,
                    initial=done,
                    desc=desc,
                    leave=False,
                    dynamic_ncols=True,
                    smoothing=0.1,
                    mininterval=0.2,
                )
            else:
                bar = _Line(desc, total, done)
            self._bars[label] = (stage, bar)
            return
        bar = known[1]
        bar.update(done - bar.n)

    def callback(self, label: str) -> Progress:
        """A Progress for one job."""
        return lambda stage, done, total: self.update(label, stage, done, total)

    def close(self, label: str | None = None) -> None:
        """Close the bar of one job, or all."""
        for name in [label] if label is not None else list(self._bars):
            if name in self._bars:
                self._bars.pop(name)[1].close()


class SweepBars(Bars):
    """The bars of several runs below one for all of them, which says how long the whole still takes."""

    def __init__(self, labels: Sequence[str], side_by_side: int) -> None:
        super().__init__()
        self._time_left = TimeLeft(labels, side_by_side)
        self._total, self._done = len(labels), 0
        self._shown = time.monotonic()
        self._all = tqdm(
            total=len(labels),
            desc="all runs",
            leave=False,
            dynamic_ncols=True,
            bar_format="{desc}: {n_fmt}/{total_fmt} done{postfix}",
            mininterval=0.2,
            disable=not sys.stderr.isatty(),
        )

    def update(self, label: str, stage: str, done: int, total: int) -> None:
        """As `Bars.update`, and renew the time left."""
        super().update(label, stage, done, total)
        self._time_left.update(label, stage, done, total, time.monotonic())
        self._show()

    def finished(self, label: str, text: str) -> None:
        """A run has ended: its bar goes, and a line with what came out stays."""
        self.close(label)
        self._time_left.finished(label, time.monotonic())
        self._done += 1
        self._all.update()
        tqdm.write(text, file=sys.stderr)
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        seconds = self._time_left.seconds(now)
        if seconds is None:
            return
        left = f"about {duration(seconds)} left"
        if self._all.disable:
            if now - self._shown >= LINE_SECONDS:
                self._shown = now
                print(f"all runs: {self._done}/{self._total} done, {left}", file=sys.stderr, flush=True)
        else:
            self._all.set_postfix_str(left, refresh=False)
            self._all.update(0)

    def close(self, label: str | None = None) -> None:
        """Close the bar of one run, or all."""
        super().close(label)
        if label is None:
            self._all.close()
