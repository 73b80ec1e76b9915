"""The gate's result for people and machines: text of 80 columns, Markdown, JUnit XML."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from vis_bench.gate.verdict import TIERS, Check, overall
from vis_bench.report.tables.text import TERMINAL_WIDTH, one_line, wrap

_TEXT_COLUMN = 16
MOST_DETAILS = 8


def gate_text(baseline: str, checks: Sequence[Check]) -> str:
    """The summary for a CI log."""
    lines: list[str] = []
    for tier, title in TIERS.items():
        chosen = [check for check in checks if check.tier == tier]
        if chosen:
            lines.append(f"tier {tier}: {title}")
        for check in chosen:
            lines += _hanging(f"  {_word(check)}", f"{one_line(check.name)}: {one_line(check.text)}")
            for detail in _details(check):
                lines += _hanging("", detail)
    counts = ", ".join(
        f"{sum(check.status == status for check in checks)} {word}"
        for status, word in (("pass", "passed"), ("fail", "failed"), ("inconclusive", "inconclusive"))
    )
    lines += wrap(f"gate against {one_line(baseline)}: {overall(checks).upper()} ({counts})", TERMINAL_WIDTH)
    return "\n".join(lines)


def gate_markdown(baseline: str, checks: Sequence[Check]) -> str:
    """A comment for a change request."""
    lines = [f"### Gate: {overall(checks)}", "", f"Baseline {_code(baseline)}", ""]
    lines += ["| tier | run | result | |", "|---|---|---|---|"]
    for check in checks:
        shown = f"**{check.status}**" if check.status == "fail" else check.status
        lines.append(f"| {check.tier} | {_code(check.name)} | {shown} | {_code(check.text)} |")
    for check in checks:
        if check.details:
            lines += ["", f"Tier {check.tier}, {_code(check.name)}:", ""]
            lines += [f"- {_code(detail)}" for detail in _details(check)]
    lines += ["", *(f"Tier {tier}: {title}." for tier, title in TIERS.items())]
    return "\n".join(lines) + "\n"


def gate_junit(checks: Sequence[Check]) -> str:
    """JUnit XML: one test case per check; what could not be decided is a skipped one."""
    failures = sum(check.status == "fail" for check in checks)
    skipped = sum(check.status == "inconclusive" for check in checks)
    counts = {"tests": str(len(checks)), "failures": str(failures), "skipped": str(skipped), "errors": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "vis-bench gate", **counts})
    for check in checks:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": f"gate.tier{check.tier}", "name": one_line(check.name)}
        )
        text = one_line(check.text)
        if check.status == "fail":
            ElementTree.SubElement(case, "failure", {"message": text}).text = "\n".join(
                one_line(detail) for detail in check.details
            )
        elif check.status == "inconclusive":
            ElementTree.SubElement(case, "skipped", {"message": f"inconclusive: {text}"})
        else:
            ElementTree.SubElement(case, "system-out").text = text
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _hanging(label: str, text: str) -> list[str]:
    """`text` in a column of its own to the right of `label`."""
    column = wrap(text, TERMINAL_WIDTH - _TEXT_COLUMN)
    labels = [label, *[""] * (len(column) - 1)]
    return [f"{left:<{_TEXT_COLUMN}}{line}" for left, line in zip(labels, column, strict=True)]


def _word(check: Check) -> str:
    return "FAIL" if check.status == "fail" else check.status


def _details(check: Check) -> list[str]:
    """The first changes; the JUnit file has them all."""
    shown = [one_line(detail) for detail in check.details[:MOST_DETAILS]]
    left = len(check.details) - len(shown)
    return [*shown, f"and {left} more"] if left else shown


def _code(text: str) -> str:
    """`text` as code, where neither a link nor a mention nor markup lives; for table cells too."""
    plain = one_line(text).replace("`", "'").replace("|", "\\|")
    return f"`{plain or ' '}`"
