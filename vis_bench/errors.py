"""Errors that a user can cause, each with the exit code of the command line.

Every message says what is wrong, where, and how to repair it. Anything else that escapes is a bug (exit 70).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

EXIT_OK = 0
EXIT_GATE_FAILED = 1
EXIT_USAGE = 2
EXIT_DATA = 3
EXIT_METHOD_FAILED = 4
EXIT_NOT_COMPARABLE = 5
EXIT_INCONCLUSIVE = 6
# as sysexits.h has it
EXIT_UNEXPECTED = 70
EXIT_INTERRUPTED = 130
# as a shell says it of a process whose reader went away (SIGPIPE)
EXIT_BROKEN_PIPE = 141
# as a shell says it of a process that SIGTERM ended
EXIT_TERMINATED = 143
# and SIGHUP: the terminal was closed
EXIT_HUNG_UP = 129


class VisBenchError(Exception):
    """Base of all expected errors; `exit_code` is what the command line returns."""

    exit_code = EXIT_USAGE


class UsageError(VisBenchError):
    """An unknown option, method, metric, dataset or configuration value (exit 2)."""

    exit_code = EXIT_USAGE


class DataError(VisBenchError):
    """A file or dataset that is missing, unreadable or malformed (exit 3)."""

    exit_code = EXIT_DATA


class MethodError(VisBenchError):
    """A method that failed to build, train or track (exit 4)."""

    exit_code = EXIT_METHOD_FAILED


class NotComparableError(VisBenchError):
    """Records whose protocol or data differ (exit 5)."""

    exit_code = EXIT_NOT_COMPARABLE


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` or the list of known names, ready to append to a message."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" Known: {', '.join(names) if names else 'none'}."
