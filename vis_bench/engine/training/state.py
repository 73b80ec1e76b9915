"""What a training keeps on disk while it is under way: the state to go on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from vis_bench.engine.training.stepping import Stepper
from vis_bench.errors import DataError
from vis_bench.files import atomic_path
from vis_bench.weights.files import DAMAGED

RESUME_NAME = "resume.pt"
_KEYS = frozenset({"trained", "optimizer", "average", "scaler", "phase", "iteration", "seconds"})


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
    """The state of an interrupted training, or None. Raises DataError for a damaged one."""
    path = directory / RESUME_NAME
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        raise _damaged(path, (str(error).splitlines() or [type(error).__name__])[0]) from None
    absent = _KEYS - set(state) if isinstance(state, dict) else _KEYS
    if absent:
        raise _damaged(path, f"without {sorted(absent)[0]!r}")
    odd = [key for key in ("phase", "iteration") if type(state[key]) is not int or state[key] < 0]
    if odd or not isinstance(state["seconds"], float | int):
        raise _damaged(path, f"{(odd or ['seconds'])[0]!r} is no number")
    return state


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path}: the state of an interrupted training is damaged ({reason}). Delete this file and run "
        "again: the training starts from its beginning."
    )


def restore(state: ResumeState, trained: nn.Module, stepper: Stepper, directory: Path) -> None:
    """Put the saved values into weights, optimiser, moving average and the scale of gradients.

    directory: where the state was found. Raises DataError where it does not fit.
    """
    try:
        _restore(state, trained, stepper)
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200]
        raise _damaged(directory / RESUME_NAME, reason) from None


def _restore(state: ResumeState, trained: nn.Module, stepper: Stepper) -> None:
    trained.load_state_dict(state["trained"])
    stepper.optimizer.load_state_dict(state["optimizer"])
    if stepper.average is not None and state["average"] is not None:
        for name, value in state["average"].items():
            stepper.average.state[name].copy_(value)
    if state["scaler"]:
        stepper.scaler.load_state_dict(state["scaler"])
