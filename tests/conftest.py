"""Skips are listed: with VIS_BENCH_STRICT_SKIPS=1 a skip whose reason is not in allowed_skips.txt fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ALLOWED = Path(__file__).with_name("allowed_skips.txt")


def allowed_reasons() -> list[str]:
    lines = ALLOWED.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in unlisted(terminalreporter):
        terminalreporter.write_line(f"UNLISTED SKIP {report.nodeid}: {reason_of(report)}", red=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    strict = os.environ.get("VIS_BENCH_STRICT_SKIPS") == "1"
    if strict and reporter is not None and exitstatus == pytest.ExitCode.OK and unlisted(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def unlisted(reporter: pytest.TerminalReporter) -> list[pytest.TestReport]:
    reasons = allowed_reasons()
    return [
        report
        for report in reporter.stats.get("skipped", [])
        if not any(reason in reason_of(report) for reason in reasons)
    ]


def reason_of(report: pytest.TestReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
