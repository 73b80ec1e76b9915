"""All checks of a method, in order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from vis_bench.engine.contract.bench import open_bench
from vis_bench.engine.contract.declaration import DECLARATION
from vis_bench.engine.contract.look_alikes import LOOK_ALIKES
from vis_bench.engine.contract.result import Check, CheckResult, perform
from vis_bench.engine.contract.subject import Fit, Subject, fit
from vis_bench.engine.contract.tracking import TRACKING
from vis_bench.engine.contract.training import LEARNS, TRAINING


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums over threads depend on their number, and equality is what is checked."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def check_method(subject: Subject) -> Iterator[CheckResult]:
    """Check one method, a result at a time; takes seconds to a few minutes for a tiny configuration, most of
    them for the last check, detection, which a method with another fault does not reach.

    A method that cannot be built, or whose tracks are malformed, gets no further; foreign code is not
    trained, and checked with the weights that it has. Tracking is looked at after
    a few training steps, so that there is something to see; where these fail, with the weights of the start.
    """
    with _one_thread(), tempfile.TemporaryDirectory() as folder:
        # the last of them builds the method
        failed: list[str] = []
        for check in DECLARATION:
            yield (result := perform(check, subject))
            failed += [result.name] * (result.status == "failed")
        if result.status == "failed":
            return
        if subject.spec.foreign is not None:
            yield from _tracking(subject, subject.as_given(), Path(folder), failed)
            return
        for check in TRAINING:
            yield (result := perform(check, subject))
            failed += [result.name] * (result.status == "failed")
        found: list[Fit] = []
        learns: Check[Subject] = Check(LEARNS.name, LEARNS.repair, lambda s: LEARNS.run(_kept(fit(s), found)))
        yield (result := perform(learns, subject))
        failed += [result.name] * (result.status == "failed")
        trained = found[0].model if found else subject.build()
        yield from _tracking(subject, trained, Path(folder), failed)
        if "output" in failed:
            return
        if failed:
            # the longest check, and it would say nothing new of a method with another fault
            later = f"looked at when {failed[0]!r} is mended"
            yield CheckResult(LOOK_ALIKES.name, "not applicable", later)
        else:
            yield perform(LOOK_ALIKES, subject)


def _tracking(subject: Subject, model: Any, folder: Path, failed: list[str]) -> Iterator[CheckResult]:
    """The checks of tracking; the others would say nothing after malformed tracks. failed: takes names up."""
    bench = open_bench(subject, model, folder)
    for tracking in TRACKING:
        yield (result := perform(tracking, bench))
        failed += [result.name] * (result.status == "failed")
        if tracking.name == "output" and result.status == "failed":
            return


def _kept(fitted: Fit, found: list[Fit]) -> Fit:
    found.append(fitted)
    return fitted
