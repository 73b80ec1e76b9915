"""Clips made by workers are those of the sampler, in order, and the workers go when they should."""

import dataclasses
import errno
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from vis_bench.data.catalog import open_dataset  # noqa: E402
from vis_bench.engine.job import process_context  # noqa: E402
from vis_bench.engine.training import loader  # noqa: E402
from vis_bench.engine.training.clips.sampler import ClipSampler  # noqa: E402
from vis_bench.engine.training.loader import WaitClock, shard_batches  # noqa: E402
from vis_bench.errors import DataError, UsageError  # noqa: E402
from vis_bench.method import Augmentation, Clip, ClipSampling  # noqa: E402

LISTS = [[0, 1, 2], [7], [], [3, 9, 8, 2], [100]]


@dataclass(frozen=True)
class Numbers:
    """Clip i holds i alone. broken: the clip that is an error, and which."""

    broken: int = -1
    error: type[Exception] = DataError

    def clip(self, index):
        if index == self.broken:
            raise self.error(f"frame {index} is damaged")
        number = torch.full((1,), index)
        return Clip(number, number, number, number, number)


def numbers(batches):
    return [[int(clip.labels) for clip in batch] for batch in batches]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # one that has ended and was not asked for yet
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(done, seconds=30):
    limit = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.slow
def test_every_number_of_workers_gives_the_same_bytes(squares):
    dataset = open_dataset(str(squares), "train")
    augmentation = Augmentation(short_sides=(20, 31), flip=0.5, crop=(0.5, 0.5))
    sampler = ClipSampler(dataset, ClipSampling(frames=2), augmentation, 1, 2)
    expected = [[sampler.clip(i) for i in wanted] for wanted in LISTS]
    assert any(len(clip.labels) for batch in expected for clip in batch)
    for workers in (0, 1, 2):
        found = list(shard_batches(sampler, iter(LISTS), workers=workers, prefetch=1))
        assert [len(batch) for batch in found] == [3, 1, 0, 4, 1]
        for one, other in zip(itertools.chain(*expected), itertools.chain(*found), strict=True):
            assert isinstance(other, Clip)
            for field in dataclasses.fields(Clip):
                a, b = getattr(one, field.name), getattr(other, field.name)
                assert a.dtype == b.dtype
                assert torch.equal(a, b)


def test_endless_indices_are_read_ahead_by_what_is_kept_ready():
    asked = []

    def endless():
        for i in itertools.count():
            asked.append(i)
            yield [2 * i, 2 * i + 1]

    batches = shard_batches(Numbers(), endless(), workers=2, prefetch=3)
    assert numbers(itertools.islice(batches, 4)) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    # eight clips were taken, six may be waiting, one more is being asked for
    assert len(asked) <= 8
    batches.close()
    assert numbers(itertools.islice(shard_batches(Numbers(), endless()), 1)) == [[0, 1]]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_data_is_itself_and_comes_in_its_turn(workers):
    batches = shard_batches(Numbers(broken=3), [[1, 2], [4, 3], [5]], workers=workers)
    assert numbers([next(batches)]) == [[1, 2]]
    with pytest.raises(DataError) as found:
        next(batches)
    assert str(found.value) == "frame 3 is damaged"


def test_another_error_keeps_its_type_and_says_where_it_was_raised():
    with pytest.raises(ZeroDivisionError, match=r"(?s)test_loader.py.*frame 3 is damaged"):
        list(shard_batches(Numbers(3, ZeroDivisionError), [[3]], workers=1))


@pytest.mark.parametrize("workers", [0, 1])
def test_the_global_generator_is_left_alone(workers):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    list(shard_batches(Numbers(), [[0]], workers=workers))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(("workers", "seconds"), [(0, 4.0), (1, 0.0)])
def test_the_clock_counts_waiting_alone(monkeypatch, workers, seconds):
    """Making a clip takes a second of a clock that is turned by hand, using a list takes a hundred."""
    now = [0.0]
    monkeypatch.setattr(loader.time, "perf_counter", lambda: now[0])

    class Slow(Numbers):
        def clip(self, index):
            now[0] += 1
            return super().clip(index)

    clock = WaitClock()
    for _ in shard_batches(Slow() if workers == 0 else Numbers(), [[0, 1], [2, 3]], workers, clock=clock):
        now[0] += 100
    assert clock.seconds == seconds


def test_nothing_is_pinned_where_there_is_no_gpu():
    (batch,) = shard_batches(Numbers(), [[4]], workers=1, pin=True)
    assert batch[0].labels.is_pinned() == torch.cuda.is_available()


def test_workers_go_with_the_iterator_and_do_not_hear_an_interrupt():
    batches = shard_batches(Numbers(), ([i] for i in itertools.count()), workers=2, prefetch=1)
    before = set(multiprocessing.active_children())
    # both have begun: the workers take turns
    assert numbers(itertools.islice(batches, 2)) == [[0], [1]]
    started = {child.pid for child in set(multiprocessing.active_children()) - before}
    assert len(started) == 2
    for pid in started:
        os.kill(pid, signal.SIGINT)
    assert numbers(itertools.islice(batches, 8)) == [[i] for i in range(2, 10)]
    batches.close()
    wait_until(lambda: not any(map(alive, started)))


PARENT = """
import multiprocessing, sys, time
from test_loader import Numbers
from vis_bench.engine.training.loader import shard_batches
if __name__ == "__main__":
    batches = shard_batches(Numbers(), ([i] for i in range(10**9)), workers=2, prefetch=1)
    next(batches)
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_workers_end_with_their_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path}
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(alive, pids))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not any(map(alive, pids)))


def load_in_a_job(results):
    results.put(numbers(shard_batches(Numbers(), [[5, 6], [7]], workers=1)))


@pytest.mark.slow
def test_a_job_that_was_forked_may_have_workers():
    context = process_context()
    results = context.Queue()
    job = context.Process(target=load_in_a_job, args=(results,))
    job.start()
    assert results.get(timeout=120) == [[5, 6], [7]]
    job.join()
    assert job.exitcode == 0


def test_a_clip_comes_out_of_its_block_as_it_went_in():
    clip = Clip(
        frames=torch.arange(42, dtype=torch.uint8).view(2, 3, 7)[:, :, ::2],
        labels=torch.tensor([5, 2**40]),
        masks=torch.zeros((2, 0, 3), dtype=torch.bool),
        boxes=torch.tensor([[0.1, -3.5]]),
        visible=torch.tensor([[True], [False]]),
    )
    found = loader.unpack(loader.pack(clip))
    for field in dataclasses.fields(Clip):
        a, b = getattr(clip, field.name), getattr(found, field.name)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert torch.equal(a, b)


def test_full_shared_memory_is_an_error_that_says_what_to_do(monkeypatch):
    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loader.os, "pwrite", full)
    with pytest.raises(UsageError, match=r"shared memory \(No space left on device\).*--shm-size"):
        loader.pack(Numbers().clip(1))
    monkeypatch.setattr(loader.os, "pwrite", lambda file, data, begin: data.nbytes - 1)
    with pytest.raises(UsageError, match=r"shared memory \(no space\)"):
        loader.pack(Numbers().clip(1))
