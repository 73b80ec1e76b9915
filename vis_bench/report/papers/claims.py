"""What a table of a paper claims about two of its rows, and what stored runs say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from vis_bench.errors import DataError, NotComparableError, UsageError
from vis_bench.records.columns import compared_column, parse_threshold, reads_operating_point
from vis_bench.report.papers.published import PublishedClaim, PublishedTable
from vis_bench.report.tables.text import TERMINAL_WIDTH, wrap
from vis_bench.study.compare import study
from vis_bench.study.comparison import Comparison, Study

Finding = Literal["agrees", "contradicts", "undecided", "not measured"]

# what the comparison `run` minus `against` says about a claim, by what is claimed
_FINDINGS: Mapping[str, Mapping[str, Finding]] = {
    "higher": {"better": "agrees", "worse": "contradicts", "equivalent": "contradicts"},
    "similar": {"better": "contradicts", "worse": "contradicts", "equivalent": "agrees"},
}


@dataclass(frozen=True, slots=True)
class MeasuredClaim:
    """A claim in one metric. published: run minus against as printed, None where a number is not printed.

    measured: the comparison over shared seeds and videos, in points; None where it was not measured, and then
    why says the reason. seeds: those that both share. at_point: of a metric above one score threshold, the
    same at each method's operating point; one threshold for both also ranks how scores are calibrated.
    """

    claim: PublishedClaim
    metric: str
    published: float | None
    measured: Comparison | None
    seeds: tuple[int, ...]
    why: str = ""
    at_point: Comparison | None = None

    @property
    def finding(self) -> Finding:
        """agrees: the interval lies on the claimed side of 0 (of a claimed difference), or within the margin
        (of claimed likeness); contradicts: it lies elsewhere; undecided: the interval holds both, or one seed
        alone was run, which says nothing about training.
        """
        return self._finding(self.measured)

    @property
    def finding_at_point(self) -> Finding:
        """As `finding`, of `at_point`."""
        return self._finding(self.at_point)

    def _finding(self, compared: Comparison | None) -> Finding:
        if compared is None:
            return "not measured"
        if len(self.seeds) < 2:
            return "undecided"
        return _FINDINGS[self.claim.expect].get(compared.verdict, "undecided")

    @property
    def holds_published(self) -> bool | None:
        """Whether the paper's difference lies in the interval of ours; None where one of them is missing."""
        if self.measured is None or self.published is None:
            return None
        return self.measured.difference.low <= self.published <= self.measured.difference.high


def measured_claims(
    claims: Sequence[PublishedClaim], table: PublishedTable, folder: Path, on: str, threshold: str
) -> tuple[MeasuredClaim, ...]:
    """Every claim about a table with what the records of a folder say about it.

    folder: holds run directories with their predictions. on: the data set that they were scored on.
    threshold: score from which tracks count in tracking metrics. Raises DataError for damaged files; where
    runs are missing or cannot be compared, the claim says so.
    """
    return tuple(
        _measured(claim, metric, table, folder, on, threshold)
        for claim in claims
        if claim.table == table.table
        for metric in claim.metrics
    )


def _measured(
    claim: PublishedClaim, metric: str, table: PublishedTable, folder: Path, on: str, threshold: str
) -> MeasuredClaim:
    def compared(threshold: str | None) -> tuple[Comparison, tuple[int, ...]]:
        found: Study = study(
            [claim.run, claim.against], metric=metric, records=folder, dataset=on, threshold=threshold
        )
        (comparison,) = found.comparisons
        return comparison, found.seeds

    published = published_difference(claim, metric, table)
    other_point = parse_threshold(threshold) is not None and reads_operating_point(compared_column(metric))
    try:
        comparison, seeds = compared(threshold)
        at_point = compared(None)[0] if other_point else None
    except (UsageError, DataError, NotComparableError) as error:
        return MeasuredClaim(claim, metric, published, None, (), why=str(error))
    return MeasuredClaim(claim, metric, published, comparison, seeds, at_point=at_point)


def published_difference(claim: PublishedClaim, metric: str, table: PublishedTable) -> float | None:
    """run minus against as the table prints them; of several rows of a run the first counts."""
    numbers = []
    for name in (claim.run, claim.against):
        row = next(row for row in table.rows if name in row.runs)
        number = row.published.get(metric)
        if number is None:
            return None
        numbers.append(number)
    return round(numbers[0] - numbers[1], 6)


def claims_json(claims: Sequence[MeasuredClaim]) -> list[dict[str, Any]]:
    """Per claim and metric; differences in points (percent), null where not printed or not measured."""
    return [
        {
            "id": one.claim.id,
            "text": one.claim.text,
            "run": one.claim.run,
            "against": one.claim.against,
            "metric": one.metric,
            "expect": one.claim.expect,
            "published": one.published,
            **_interval(one.measured),
            "seeds": list(one.seeds),
            "finding": one.finding,
            "why": one.why,
            "at_operating_point": None
            if one.at_point is None
            else {**_interval(one.at_point), "finding": one.finding_at_point},
        }
        for one in claims
    ]


def _interval(measured: Comparison | None) -> dict[str, float | None]:
    if measured is None:
        return {"difference": None, "low": None, "high": None}
    found = measured.difference
    return {"difference": found.mean, "low": found.low, "high": found.high}


def claim_lines(claims: Sequence[MeasuredClaim], on: str) -> list[str]:
    """Lines of at most 80 columns: each claim; per metric the paper's difference, ours, the finding."""
    if not claims:
        return []
    lines = wrap(
        f"Claims, measured on {on}: difference in points, 95 % interval over seeds and videos.",
        TERMINAL_WIDTH,
    )
    for _, of_claim in groupby(claims, key=lambda one: one.claim.id):
        metrics = list(of_claim)
        claim = metrics[0].claim
        pair = f"({claim.run} {'as' if claim.expect == 'similar' else 'over'} {claim.against})"
        lines += wrap(f"- {claim.text} {pair}", TERMINAL_WIDTH, "  ")
        for one in metrics:
            text = (
                f"{one.metric}: paper {published_text(one)}, here {measured_text(one)}: {finding_text(one)}"
            )
            # why nothing was measured is the same for every metric
            said = f"; {one.why}" if one.why and one is metrics[-1] else ""
            lines += [f"  {line}" for line in wrap(text + said, TERMINAL_WIDTH - 2, "  ")]
    return lines


def claims_table(claims: Sequence[MeasuredClaim]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of a table with a row per claim and metric."""
    header = ["claim", "pair", "metric", "paper", "measured", "finding"]
    return header, [
        [
            one.claim.text,
            f"{one.claim.run} {'as' if one.claim.expect == 'similar' else 'over'} {one.claim.against}",
            one.metric,
            published_text(one),
            measured_text(one),
            finding_text(one),
        ]
        for one in claims
    ]


def finding_text(one: MeasuredClaim) -> str:
    """The finding first. Of an undecided one, whether it may be the paper's all the same; of a metric above
    one threshold, what is found at the operating points."""
    text: str = one.finding
    if one.finding == "undecided" and one.holds_published is not None:
        text += f", the interval {'holds' if one.holds_published else 'leaves out'} the paper's"
    if one.at_point is not None:
        found = one.at_point.difference
        text += (
            f"; at the operating points {found.mean:+.1f} ({found.low:+.1f} to {found.high:+.1f}), "
            f"{one.finding_at_point}"
        )
    return text


def published_text(one: MeasuredClaim) -> str:
    """`+12.3`, or `not printed`."""
    return "not printed" if one.published is None else f"{one.published:+.1f}"


def measured_text(one: MeasuredClaim) -> str:
    """`+3.6 (+1.0 to +6.3, 5 seeds)`, or a dash."""
    if one.measured is None:
        return "-"
    found, seeds = one.measured.difference, len(one.seeds)
    count = f"{seeds} seed{'s' * (seeds > 1)}"
    return f"{found.mean:+.1f} ({found.low:+.1f} to {found.high:+.1f}, {count})"
