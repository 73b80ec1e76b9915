"""A process that reads what it is told to, with little memory: (reader, path) in, the outcome out."""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

from fuzz_readers import READERS

MEMORY_BYTES = 6 * 2**30
"""Of addresses: torch alone maps 4 GB."""


def outcome(name: str, path: Path) -> dict[str, Any]:
    """What became of reading a file: `ok`, `error` with its exit code, or `traceback`."""
    from vis_bench.errors import VisBenchError
    from vis_bench.records.soundness import unsound

    reader = READERS[name]
    try:
        numbers = reader.read(path)
        problem = None if numbers is None else unsound(numbers)
        if problem is not None:
            return {"outcome": "silent number", "text": problem}
        return {"outcome": "ok"}
    except VisBenchError as error:
        good = error.exit_code in reader.codes
        return {"outcome": "error" if good else f"exit code {error.exit_code}", "text": str(error)}
    except RecursionError:
        # the command line says so and ends with 3
        return {"outcome": "error", "text": "nested too deeply"}
    except Exception:  # noqa: BLE001 - this is what is looked for
        return {"outcome": "traceback", "text": traceback.format_exc()}


def main() -> None:
    """Answer until there is nothing more to read."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        name, path = json.loads(line)
        answers.write(json.dumps(outcome(name, Path(path))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
