"""Processes of jobs: what they say, and that they end with the one that started them."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path

import pytest

from vis_bench.engine.job import Job, work
from vis_bench.engine.order import Order
from vis_bench.engine.process.failure import Failure
from vis_bench.engine.run import Settings
from vis_bench.setup.protocol import load_protocol

PROGRAM = """
import time
from vis_bench.engine.process.children import end_with_parent, process_context

def job():
    import os
    end_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(120)

if __name__ == "__main__":
    process = process_context().Process(target=job, daemon=True)
    process.start()
    process.join()
"""


def test_a_job_ends_when_its_parent_is_killed(tmp_path):
    program = tmp_path / "parent.py"
    program.write_text(PROGRAM)
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as parent:
        job = int(parent.stdout.readline())
        assert _alive(job)
        parent.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 30
        while _alive(job):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    # without an init process that collects it, an ended orphan keeps its number
    state = Path(f"/proc/{process_id}/stat")
    return not state.is_file() or ") Z " not in state.read_text()


@dataclass
class Process:
    """A process as far as Job looks at it."""

    exitcode: int | None

    def is_alive(self):
        return self.exitcode is None

    def join(self):
        pass


@pytest.fixture
def pipe():
    receiver, sender = Pipe(duplex=False)
    yield receiver, sender
    receiver.close()
    sender.close()


def test_an_error_before_the_run_begins_is_told_in_its_own_words(protocol, tmp_path, pipe):
    """Data that can be read no more when the job's process opens it are no crash of the method."""
    receiver, sender = pipe
    settings = Settings(str(tmp_path / "gone"), "val", load_protocol(str(protocol)), tmp_path / "runs")
    toy = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"
    work(Order(toy, "default", 0, settings, "t" * 64, "r" * 64), sender)
    failure = receiver.recv()
    assert failure.code == 3
    assert str(tmp_path / "gone") in failure.text
    assert "DataError" in failure.trace


def test_what_a_job_said_counts_before_its_end_does(pipe):
    receiver, sender = pipe
    job, steps = Job(Process(9), receiver), []
    sender.send(("train", 1, 2))
    sender.send(Failure("why", 3, "trace"))
    assert job.hear(lambda *step: steps.append(step)) == Failure("why", 3, "trace")
    assert steps == [("train", 1, 2)]


@pytest.mark.parametrize(("exit_code", "reason"), [(9, "exit code 9 (crashed)"), (-9, "out of memory?")])
def test_a_job_that_ends_in_the_middle_of_a_word_has_failed(pipe, exit_code, reason):
    receiver, sender = pipe
    alive = Job(Process(None), receiver)
    assert alive.hear(print) is None
    os.write(sender.fileno(), b"\0\0\1\0half of 256 bytes")
    sender.close()
    failure = Job(Process(exit_code), receiver).hear(print)
    assert reason in failure.text
    assert failure.code == 4
