"""When the tests with code of the index are skipped, and when they fail: by what pip printed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import detectron2_archives
import pytest
from detectron2_archives import unreachable

RETRY = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after "
    "connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at "
    "0x7f>: Failed to establish a new connection: [Errno -2] Name or service not known')': /simple/x/\n"
)
NONE = (
    "ERROR: Could not find a version that satisfies the requirement maskformer2==0.1 (from versions: none)\n"
    "ERROR: No matching distribution found for maskformer2==0.1\n"
)
YANKED = NONE.replace("none", "0.2, 0.3")
BROKEN = (
    "ERROR: Could not install packages due to an OSError: HTTPSConnectionPool(host='files.example.org', "
    "port=443): Max retries exceeded with url: /packages/x.whl (Caused by ConnectTimeoutError(...))\n"
)
BUILD = "  error: subprocess-exited-with-error\n\n  x python setup.py egg_info did not run successfully.\n"
HASH = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n"


@pytest.mark.parametrize(
    ("output", "skipped"),
    [
        (RETRY * 5 + NONE, True),
        (BROKEN, True),
        (NONE, False),
        (YANKED, False),
        (RETRY + YANKED, False),
        (RETRY + BUILD, False),
        (BUILD, False),
        (HASH, False),
        ("", False),
    ],
)
def test_only_an_index_that_cannot_be_reached_is_a_skip(
    output: str, skipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unreachable(output) == skipped
    failed = SimpleNamespace(returncode=1, stdout="Collecting maskformer2\n", stderr=output)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    expected = pytest.skip.Exception if skipped else pytest.fail.Exception
    last = output.strip().splitlines()[-1:] or ["Collecting maskformer2"]
    with pytest.raises(expected) as caught:
        detectron2_archives._pip("download", "maskformer2==0.1")
    assert last[0] in str(caught.value)


def test_pip_that_may_ask_no_index_is_a_skip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The words are those of the pip that is installed."""
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(pytest.skip.Exception, match="no package index: ERROR: No matching"):
        detectron2_archives._pip("download", "--no-deps", "-d", tmp_path, "maskformer2==0.1")


def test_under_ci_the_skip_is_not_among_the_allowed_ones() -> None:
    allowed = (Path(__file__).parents[1] / "allowed_skips.txt").read_text(encoding="utf-8").splitlines()
    reasons = [line for line in allowed if line and not line.startswith("#")]
    assert not any(reason in "no package index: ERROR: No matching distribution" for reason in reasons)
