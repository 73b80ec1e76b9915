"""`vis-bench --help` answers under half a second: it imports nothing heavy, and its CPU time is measured."""

from __future__ import annotations

import resource
import subprocess
import sys

SECONDS = 0.5
# a bare interpreter needs some 50 ms and the help six times as much: a machine that is slower than that
# (emulated, throttled, shared) may take as much longer for both
OF_A_BARE_START = 10
HEAVY = {
    *("torch", "torchvision", "numpy", "pandas", "matplotlib", "scipy", "pycocotools", "PIL", "av"),
    *("safetensors", "transformers", "detectron2"),
}
LOADED = """
import runpy, sys
sys.argv = ["vis-bench", *sys.argv[1:]]
try:
    runpy.run_module("vis_bench", run_name="__main__")
except SystemExit as end:
    print("exit", end.code)
print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def cpu_seconds(*arguments: str) -> float:
    """CPU time of one Python process, user and system; waiting for other programs does not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_help_takes_under_half_a_second() -> None:
    bare = min(cpu_seconds("-c", "pass") for _ in range(3))
    needed = min(cpu_seconds("-m", "vis_bench", "--help") for _ in range(3))
    assert needed < max(SECONDS, OF_A_BARE_START * bare), f"{needed:.2f} s; a bare start {bare:.2f} s"


def test_help_loads_nothing_heavy() -> None:
    for arguments in (["--help"], ["run", "--help"], ["data", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=False
        )
        assert "Usage: vis-bench" in done.stdout, done.stderr
        assert "\nexit 0\n" in done.stdout
        loaded = set(done.stdout.splitlines()[-1].split()[1:])
        assert "typer" in loaded
        assert not loaded & HEAVY, arguments
