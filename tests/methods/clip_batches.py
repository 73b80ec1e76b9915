"""Arguments of the clip-level losses for clips that go in one by one and as a batch.

The losses themselves are left out: they would draw points, and their targets have float32 always.
"""

from collections.abc import Iterator

import torch


def alone_and_together(monkeypatch, module, model, clips: list) -> Iterator[tuple[int, tuple, tuple]]:
    """`(b, arguments for clip b alone, arguments for the batch)` of the last `module.prediction_losses`."""
    calls = []
    monkeypatch.setattr(module, "prediction_losses", lambda *a, **k: calls.append(a) or {})
    with torch.no_grad():
        model.losses(clips)
        together = calls[-1]
        for b, clip in enumerate(clips):
            model.losses([clip])
            yield b, calls[-1], together
