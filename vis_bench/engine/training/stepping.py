"""The step of the optimiser: scaled gradients for fp16, and nothing changed by a loss that is not finite."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from vis_bench.engine.training.optimizer import MovingAverage, learning_rate
from vis_bench.method import TrainConfig


class NotFiniteError(Exception):
    """A loss since the last read was not finite; neither the weights nor their average have changed."""


class Stepper:
    """Steps of one phase.

    on_device: decide on the device whether a step is taken, so that the host need not wait for the loss; it
    is told by `read`. Needs a fused optimiser. Otherwise the host looks at every loss.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: MovingAverage | None,
        train: TrainConfig,
        on_device: bool,
        scale_gradients: bool,
        device: str = "cpu",
    ) -> None:
        self.optimizer, self.average = optimizer, average
        self._model, self._train, self._on_device = model, train, on_device
        self._bad: Tensor | None = None
        self.scaler = torch.amp.GradScaler(device.partition(":")[0], enabled=scale_gradients)

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss to differentiate."""
        return self.scaler.scale(loss) if self.scaler.is_enabled() else loss

    def step(self, loss: Tensor, iteration: int) -> float:
        """Take step `iteration` (of its phase) by the gradients that are there; returns the learning rate.

        loss: the total, unscaled. Raises NotFiniteError before the step where the host looks at the loss.
        """
        bad = None
        if self._on_device:
            bad = ~torch.isfinite(loss.detach())
            self._bad = bad if self._bad is None else self._bad | bad
        elif not math.isfinite(loss.item()):
            raise NotFiniteError
        rate = learning_rate(self._train, iteration)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["lr_factor"]
        if self.scaler.is_enabled():
            self.scaler.unscale_(self.optimizer)
        if self._train.grad_clip_norm is not None:
            nn.utils.clip_grad_norm_(self._model.parameters(), self._train.grad_clip_norm)
        if self.scaler.is_enabled():
            # gradients of a loss that is not finite are not finite, which the scaler notices
            self.scaler.step(self.optimizer)
            self.scaler.update()
        elif bad is not None:
            # as the scaler tells a fused optimiser that it must not step
            optimizer: Any = self.optimizer
            optimizer.found_inf, optimizer.grad_scale = bad.float(), None
            optimizer.step()
        else:
            self.optimizer.step()
        if self.average is not None:
            self.average.update(self._model, iteration, unless=bad)
        return rate

    def read(self) -> None:
        """Raise NotFiniteError where a loss since the last call was not finite; waits for the device."""
        bad, self._bad = self._bad, None
        if bad is not None and bool(bad):
            raise NotFiniteError
