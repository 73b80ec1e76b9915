"""`vis-bench ... | head -1`: the exit code of a program whose reader went away, and no complaint."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("lines", [0, 1])
def test_a_reader_that_goes_away_is_no_failed_gate(lines):
    """The reader takes a line or none; the output is larger than a pipe holds, or flushed at the end."""
    command = [sys.executable, "-m", "vis_bench", "reproduce", "--conflicts"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        for _ in range(lines):
            assert program.stdout.readline()
        program.stdout.close()
        said = program.stderr.read()
        assert (program.wait(timeout=60), said) == (141, "")
