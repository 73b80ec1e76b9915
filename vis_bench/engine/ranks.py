"""The processes that train one run together: started here, or by a launcher on one machine or several."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from vis_bench.engine.opened_data import OpenedData, open_data
from vis_bench.engine.order import Order
from vis_bench.engine.plan import RunSpec
from vis_bench.engine.process.children import end_with_parent, process_context
from vis_bench.engine.process.failure import Failure
from vis_bench.engine.training.group import ALONE, Group, join, leave
from vis_bench.errors import MethodError

READY = "ready"
_LAST_WORDS_SECONDS = 10.0


class RankError(Exception):
    """What went wrong on another device, with its traceback as text."""


@dataclass(frozen=True, slots=True)
class _Helper:
    rank: int
    device: str
    process: Any
    messages: Connection


TrainAlong = Callable[[RunSpec, OpenedData, Callable[[], Group]], None]
"""What a helper does: builds the model, meets the others, trains. Importable by name."""


@contextmanager
def together(run: RunSpec, train_along: TrainAlong) -> Iterator[Group]:
    """The group that trains a run: this process and, where it has several devices, one more for each other.

    The others build the same model, train along, and end with the block. Raises MethodError where one of
    them fails, with its traceback in the chain.
    """
    devices = run.settings.devices
    if len(devices) == 1:
        yield ALONE
        return
    context = process_context()
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        helpers = []
        for rank, device in enumerate(devices[1:], start=1):
            messages, sender = context.Pipe(duplex=False)
            order = Order.of(replace(run, settings=replace(run.settings, device=device)))
            process = context.Process(
                target=_work, args=(train_along, order, rank, len(devices), meeting, sender)
            )
            process.start()
            sender.close()
            helpers.append(_Helper(rank, device, process, messages))
        group = ALONE
        try:
            for helper in helpers:
                # models and data take their time; whoever fails at it says so
                wait([helper.messages, helper.process.sentinel])
                _require_ready(helper)
            _stay_on_this_machine()
            group = join(0, len(devices), devices[0], meeting)
            yield group
        except Exception as error:  # noqa: BLE001 - told again with its cause
            found = _explained(error, helpers)
            raise found from (found.__cause__ or error.__cause__)
        finally:
            leave(group)
            for helper in helpers:
                helper.process.join(_LAST_WORDS_SECONDS if sys.exc_info()[0] is None else 0.1)
                if helper.process.is_alive():
                    helper.process.terminate()


def _stay_on_this_machine() -> None:
    """Processes of one machine meet on its own address, whatever its name resolves to."""
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")


def _require_ready(helper: _Helper) -> None:
    try:
        said = helper.messages.recv()
    except (EOFError, OSError):
        helper.process.join(_LAST_WORDS_SECONDS)
        said = Failure.of_process(helper.process.exitcode)
    if isinstance(said, Failure):
        raise MethodError(f"device {helper.rank} ({helper.device}): {said.text}") from RankError(said.trace)


def _explained(error: Exception, helpers: list[_Helper]) -> Exception:
    """The failure of a helper, where that is why this process failed; else the error itself."""
    for helper in helpers:
        helper.process.join(_LAST_WORDS_SECONDS / len(helpers))
        said: Any = None
        try:
            while helper.messages.poll():
                said = helper.messages.recv()
        except (EOFError, OSError):
            pass
        if said is None and helper.process.exitcode:
            said = Failure.of_process(helper.process.exitcode)
        # what breaks because this process is gone is no cause
        if isinstance(said, Failure) and "Connection" not in said.text:
            found = MethodError(f"device {helper.rank} ({helper.device}): {said.text}")
            found.__cause__ = RankError(said.trace)
            return found
    return error


def _work(
    train_along: TrainAlong, order: Order, rank: int, size: int, meeting: str, messages: Connection
) -> None:
    """Entry point of a helper: builds the model, says that it is ready, and trains along."""
    end_with_parent()
    # a terminal sends the signal to all; the leader decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stay_on_this_machine()

    def meet() -> Group:
        messages.send(READY)
        return join(rank, size, order.settings.device, meeting)

    try:
        run = order.run()
        train_along(run, open_data(run.settings), meet)
    except Exception as error:  # noqa: BLE001 - the leader reports it in the run's record
        messages.send(Failure.of(error))
        sys.exit(1)


class Launched:
    """A launcher's leader: takes the place of `together`, while the other processes `follow`.

    broken: a training has failed, after which the processes no longer understand each other.
    """

    def __init__(self, runs: Sequence[RunSpec], group: Group) -> None:
        self._runs, self._group = list(runs), group
        self.broken = False

    @contextmanager
    def together(self, run: RunSpec, train_along: TrainAlong) -> Iterator[Group]:
        """Call all processes to the training of a run."""
        self._group.gather(self._runs.index(run))
        try:
            yield self._group
        except BaseException:
            self.broken = True
            raise

    def dismiss(self) -> None:
        """Let the others go home."""
        if not self.broken:
            self._group.gather(None)


def follow(runs: Sequence[RunSpec], data: OpenedData, group: Group, train_along: TrainAlong) -> None:
    """Train along whatever the leader calls for, until it calls for nothing more."""
    while (index := group.gather(None)[0]) is not None:
        train_along(runs[index], data, lambda: group)
