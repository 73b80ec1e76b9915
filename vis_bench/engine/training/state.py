"""What a training keeps on disk while it is under way: the state to go on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from vis_bench.engine.training.stepping import Stepper
from vis_bench.files import atomic_path

RESUME_NAME = "resume.pt"


class ResumeState(TypedDict):
    """Content of resume.pt. phase: number of the phase that is under way. iteration: the next one, counted
    through all phases; the end of the phase where the next phase has not begun. seconds: spent so far.
    """

    trained: dict[str, Tensor]
    optimizer: dict[str, Any]
    average: dict[str, Tensor] | None
    scaler: dict[str, Any]
    phase: int
    iteration: int
    seconds: float


def save_resume(
    directory: Path,
    trained: nn.Module,
    stepper: Stepper,
    phase: int,
    iteration: int,
    seconds: float,
) -> None:
    """Write resume.pt, atomically."""
    state: ResumeState = {
        "trained": trained.state_dict(),
        "optimizer": stepper.optimizer.state_dict(),
        "average": stepper.average.state if stepper.average is not None else None,
        "scaler": stepper.scaler.state_dict(),
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


def restore(state: ResumeState, trained: nn.Module, stepper: Stepper) -> None:
    """Put the saved values into weights, optimiser, moving average and the scale of gradients."""
    trained.load_state_dict(state["trained"])
    stepper.optimizer.load_state_dict(state["optimizer"])
    if stepper.average is not None and state["average"] is not None:
        for name, value in state["average"].items():
            stepper.average.state[name].copy_(value)
    if state["scaler"]:
        stepper.scaler.load_state_dict(state["scaler"])
