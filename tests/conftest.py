"""Fixtures of several folders, and the list of allowed skips.

With VIS_BENCH_STRICT_SKIPS=1 a skip whose reason is not in allowed_skips.txt fails the run.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from square_videos import write_split

# One thread, so that trained weights do not depend on the number of cores; read when torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def hear_signals() -> None:
    """Under nohup, or in the background of a script, some signals are ignored, and programs inherit that.

    What the tests start has to hear them; the tests themselves go on as before.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            # a handler, unlike an order to ignore, is not inherited by other programs
            signal.signal(number, lambda *_: None)


hear_signals()

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


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """Folder with splits `train` (3 videos) and `val` (2); ids start at 0."""
    folder = tmp_path / "squares"
    write_split(folder, "train", 3)
    write_split(folder, "val", 2)
    return folder


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    """A protocol without pretraining, auxiliary loss or average; checkpoints every two iterations."""
    path = tmp_path / "plain.toml"
    path.write_text(
        'name = "plain"\nabout = "test"\nconfig = "default"\n[training]\ncheckpoint_every_iterations = 2\n'
    )
    return path


class Printed(str):
    """What a command has printed; a phrase is in it wherever its lines are broken for 80 columns."""

    def __contains__(self, phrase: object) -> bool:
        return isinstance(phrase, str) and (
            str.__contains__(self, phrase) or phrase in " ".join(self.split())
        )

    def __add__(self, other: str) -> Printed:
        return Printed(str.__add__(self, other))


def too_wide(text: str) -> list[str]:
    """Lines of messages over 80 columns that could be broken; not a path, and not a command to be copied."""
    return [
        line
        for line in text.partition("Traceback (most recent")[0].split("\n")
        if len(line) > 80
        # a bar of another library
        and "\r" not in line
        and not re.search(r"(?:^|: |  )(?:python|pip|vis-bench|export|chmod) ", line)
        # a path that fits on no line, behind a word or two that say what it is
        and len(line) - max(map(len, line.split())) > 16
    ]


@pytest.fixture
def vis_bench(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Call the command line in process: `code, out, err = vis_bench("run", ...)`."""
    from vis_bench.cli import main

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vis-bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        assert not too_wide(captured.err)
        return int(end.value.code or 0), Printed(captured.out), Printed(captured.err)

    return call
