"""Why a run has no result; what a job's process can tell the one that started it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from vis_bench.errors import EXIT_METHOD_FAILED, VisBenchError


@dataclass(frozen=True, slots=True)
class Failure:
    """text: for the record. code: exit code (3 data, 4 the method). trace: the traceback, for error.txt."""

    text: str
    code: int
    trace: str

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """The failure that an exception means; to be called where it is handled."""
        trace = traceback.format_exc()
        if isinstance(error, VisBenchError):
            return cls(str(error), error.exit_code, trace)
        return cls(f"{type(error).__name__}: {error}", EXIT_METHOD_FAILED, trace)

    @classmethod
    def of_process(cls, exit_code: int | None) -> Failure:
        """The failure of a process that ended without a word."""
        reason = "killed, out of memory?" if exit_code is not None and exit_code < 0 else "crashed"
        text = f"the job's process ended with exit code {exit_code} ({reason})"
        return cls(text, EXIT_METHOD_FAILED, f"{text}\n")
