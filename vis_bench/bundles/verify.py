"""Check a bundle against one's own copy of the truth: `vis-bench verify-bundle`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vis_bench.bundles.opened import open_bundle
from vis_bench.bundles.rescore import Number, numbers_of, open_truth_of
from vis_bench.errors import EXIT_GATE_FAILED, EXIT_OK
from vis_bench.types import Dataset


def _nowhere(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of a bundle. numbers: every claim. sha256: of its file. signature: who signed, in words."""

    path: Path
    sha256: str
    signature: str
    runs: tuple[str, ...]
    note: str
    numbers: tuple[Number, ...]

    @property
    def differing(self) -> tuple[Number, ...]:
        """The claims that are not what was found."""
        return tuple(number for number in self.numbers if number.verdict == "differs")

    @property
    def exit_code(self) -> int:
        """0 where nothing differs, 1 where something does."""
        return EXIT_GATE_FAILED if self.differing else EXIT_OK

    def as_json(self) -> dict[str, Any]:
        """`numbers`: name, claimed, found, verdict (`equal`, `differs`, `not claimed`) of each."""
        return {
            "bundle": str(self.path),
            "sha256": self.sha256,
            "signature": self.signature,
            "runs": list(self.runs),
            "numbers": [asdict(number) for number in self.numbers],
        }


def verify_bundle(
    file: str | Path,
    truth: str | Path | None = None,
    *,
    dataset: str | None = None,
    data_root: str | Path | None = None,
    signers: str | Path | None = None,
    say: Callable[[str], object] = _nowhere,
) -> Verification:
    """Check the hashes and completeness of a bundle, and score its predictions again.

    truth: an annotation file of the evaluated split; None opens the data set by the name in the records, or
    by `dataset`. signers: OpenSSH's allowed signers; the bundle then has to be signed by one. say: takes
    progress.

    Raises DataError (exit code 3) for a bundle that is damaged or hostile and for truth that is not here,
    NotComparableError (5) where the truth at hand is not what the records were scored on.
    """
    place = None if data_root is None else Path(data_root)
    own = None if truth is None else Path(truth)
    opened: dict[tuple[Any, ...], Dataset] = {}
    numbers: list[Number] = []
    with open_bundle(Path(file), None if signers is None else Path(signers)) as found:
        for run in found.runs:
            key = (run.record.dataset, run.record.split, run.record.data, run.record.status)
            if key not in opened:
                opened[key] = open_truth_of(run.record, own, dataset, place)
            say(f"scoring    {run.name}")
            numbers += numbers_of(run, opened[key])
        return Verification(
            path=found.path,
            sha256=found.sha256,
            signature=found.signature,
            runs=tuple(run.name for run in found.runs),
            note=found.manifest.note,
            numbers=tuple(numbers),
        )


def verification_text(found: Verification, most: int = 20) -> str:
    """The terminal text: one line of sums, then what differs, at most so many lines of it."""
    differing = found.differing
    lines = [
        f"{found.path}  {len(found.runs)} run{'s' if len(found.runs) != 1 else ''}, SHA-256 "
        f"{found.sha256[:16]}",
        found.signature or "not signed",
    ]
    for run in found.runs:
        own = [number for number in found.numbers if number.name.startswith(f"{run}: ")]
        wrong = sum(number.verdict == "differs" for number in own)
        unclaimed = sum(number.verdict == "not claimed" for number in own)
        said = f"{wrong} of {len(own)} numbers differ" if wrong else f"all {len(own)} numbers equal"
        if unclaimed:
            said = f"claims no numbers; {unclaimed} were found"
        lines.append(f"{'differs' if wrong else 'equal':<10} {_plain(run)}: {said}")
    lines += [
        f"  {_plain(one.name)}: claimed {_plain(str(one.claimed))}, found {_plain(str(one.found))}"
        for one in differing[:most]
    ]
    if len(differing) > most:
        lines.append(f"  ... and {len(differing) - most} more (--json lists all)")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text of a stranger, on one line and without control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
