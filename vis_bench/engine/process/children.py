"""Processes of our own: how they are started, and that none outlives the one that started it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from typing import Any


def end_with_parent() -> None:
    """Leave when the parent is gone: an orphan would write beside the run that takes its place."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def process_context() -> Any:
    """Job processes are forked from one that has imported torch, where the system can: each saves seconds."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vis_bench.engine.execute", "torchvision"])
    return context
