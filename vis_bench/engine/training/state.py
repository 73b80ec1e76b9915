"""What a training keeps on disk while it is under way: its log, and the state to go on from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from vis_bench.engine.training.optimizer import MovingAverage
from vis_bench.files import atomic_path, write_text

RESUME_NAME = "resume.pt"


class TrainLog:
    """train.jsonl: one JSON object per logged iteration; lines from iteration `start` on are dropped.

    Iterations and seconds count through all phases; `phase` is 0 for the first. device: name of what trains
    now; a training may go on elsewhere.
    """

    def __init__(self, path: Path, start: int, device: str) -> None:
        self._path, self._device = path, device
        if not path.exists():
            return
        text = path.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if _complete(line)]
        kept = "".join(line + "\n" for line in lines if json.loads(line)["iteration"] < start)
        if kept != text:
            write_text(path, kept)

    def write(
        self, iteration: int, phase: int, terms: Mapping[str, Tensor], rate: float, seconds: float
    ) -> None:
        """Append one line."""
        entry: dict[str, Any] = {
            "iteration": iteration,
            "phase": phase,
            "lr": rate,
            "seconds": round(seconds, 3),
            "device": self._device,
            "losses": {name: round(value.item(), 6) for name, value in terms.items()},
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _complete(line: str) -> bool:
    """False for a last line that a killed run left half written."""
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True


class ResumeState(TypedDict):
    """Content of resume.pt. phase: number of the phase that is under way. iteration: the next one, counted
    through all phases; the end of the phase where the next phase has not begun. seconds: spent so far.
    """

    trained: dict[str, Tensor]
    optimizer: dict[str, Any]
    average: dict[str, Tensor] | None
    phase: int
    iteration: int
    seconds: float


def save_resume(
    directory: Path,
    trained: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: MovingAverage | None,
    phase: int,
    iteration: int,
    seconds: float,
) -> None:
    """Write resume.pt, atomically."""
    state: ResumeState = {
        "trained": trained.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.state if average is not None else None,
        "phase": phase,
        "iteration": iteration,
        "seconds": seconds,
    }
    with atomic_path(directory / RESUME_NAME) as temporary:
        torch.save(state, temporary)


def read_resume(directory: Path) -> ResumeState | None:
    """The state of an interrupted training, or None."""
    path = directory / RESUME_NAME
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


def restore(
    state: ResumeState,
    trained: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: MovingAverage | None,
) -> None:
    """Put the saved values into weights, optimiser and moving average."""
    trained.load_state_dict(state["trained"])
    optimizer.load_state_dict(state["optimizer"])
    if average is not None and state["average"] is not None:
        for name, value in state["average"].items():
            average.state[name].copy_(value)
