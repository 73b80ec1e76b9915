"""A check and what came of it."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

import vis_bench

T = TypeVar("T")
Status = Literal["ok", "failed", "not applicable"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """detail: what was seen (ok), what is wrong and where (failed), or why there is nothing to check."""

    status: Status
    detail: str


@dataclass(frozen=True, slots=True)
class Check(Generic[T]):
    """name: one or two words. repair: how a method that fails is usually mended. run: does the work."""

    name: str
    repair: str
    run: Callable[[T], Outcome]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check; repair is empty unless it failed."""

    name: str
    status: Status
    detail: str
    repair: str = ""


def passed(detail: str) -> Outcome:
    """The method keeps the promise."""
    return Outcome("ok", detail)


def broken(detail: str) -> Outcome:
    """The method breaks the promise; detail says what and where."""
    return Outcome("failed", detail)


def not_applicable(detail: str) -> Outcome:
    """The method does not make this promise."""
    return Outcome("not applicable", detail)


def perform(check: Check[T], subject: T) -> CheckResult:
    """Run one check. What the method raises is a broken promise, told with its place in the code."""
    try:
        outcome = check.run(subject)
    except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is reported
        outcome = broken(told(error))
    repair = check.repair if outcome.status == "failed" else ""
    return CheckResult(check.name, outcome.status, outcome.detail, repair)


def told(error: Exception) -> str:
    """An error in one line, with the innermost place outside this package and the installed ones."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    text = f"{type(error).__name__}: {' '.join(lines[:2]) or 'no message'}"
    elsewhere = (str(Path(vis_bench.__file__).parent), sysconfig.get_path("stdlib"), "<")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(elsewhere) and "site-packages" not in frame.filename
    ]
    return f"{text} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else text
