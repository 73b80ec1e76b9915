"""Processes of jobs end with the one that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import time
from vis_bench.engine.job import end_with_parent, process_context

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
