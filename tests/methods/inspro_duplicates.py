"""How many slots of InsPro lie on one object, and how many of them say so, while `tiny` learns drawn scenes.

    python tests/methods/inspro_duplicates.py 400 shared:query_init=shared normal:query_init=normal

trains one model for each NAME:KEY=VALUE,... and prints, after 100, 200 and all steps: losses (mean of the
last 50 steps), the deduplication loss of each stage and frame on scenes that were not trained on, and by
frame of the clip: slots without an object per object that overlap it with IoU above 0.5 (`near`), those of
them with more than half of the class probability of the slot that has the object (`scored`), and the share of
objects whose slot overlaps them so (`found`). results/training/inspro_duplicates.txt holds its output.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import torch
from torchvision.ops import box_iou

from methods.inspro.config import TINY
from methods.inspro.losses import deduplication_loss
from methods.inspro.model import InsPro
from methods.inspro.parts import frames_of
from vis_bench.engine.contract.scenes import as_clip, draw_scene
from vis_bench.engine.training.loop import seed_everything
from vis_bench.engine.training.optimizer import build_optimizer, learning_rate
from vis_bench.method import Clip
from vis_bench.setup.config import override

FRAMES, CLIPS, BATCHES_SEEN, LOOKS = 3, 4, 12, (100, 200)


def batch(number: int) -> list[Clip]:
    """Clips with one to four objects."""
    return [
        as_clip(draw_scene(10_000 + CLIPS * number + i, FRAMES, 1 + (number + i) % 4)) for i in range(CLIPS)
    ]


@torch.no_grad()
def look(model: InsPro) -> str:
    """What the model does on batches that were not trained on."""
    model.eval()
    stages = model.config.stages
    losses = torch.zeros(stages, FRAMES)
    near, scored, found = torch.zeros(3, FRAMES)
    objects = 0
    for number in range(BATCHES_SEEN):
        pyramid, targets = model.read_clips(batch(number - 1000))
        state, outputs = model.start(targets.sizes), []
        for t in range(FRAMES):
            output, state = model.step(frames_of(pyramid, FRAMES, [t]), state, targets.sizes, False)
            outputs.append(output)
        slots, _ = model.match_clips(outputs, targets)
        objects += int(targets.visible[0].sum())
        for t, frame in enumerate(outputs):
            now = replace(targets, boxes=targets.boxes[t : t + 1], visible=targets.visible[t : t + 1])
            for s, stage in enumerate(frame):
                loss = deduplication_loss(
                    stage.boxes[None, None], slots[s : s + 1, t : t + 1], now, model.config.weights
                )
                losses[s, t] += loss / BATCHES_SEEN
            probability = frame[-1].class_logits.sigmoid().amax(-1)
            for b, own in enumerate(slots[-1, t]):
                free = torch.ones(model.config.queries, dtype=torch.bool)
                free[own[own >= 0]] = False
                for m in targets.visible[t, b].nonzero()[:, 0].tolist():
                    over = box_iou(frame[-1].boxes[b], targets.boxes[t, b, m : m + 1])[:, 0] > 0.5
                    near[t] += (free & over).sum()
                    scored[t] += (free & over & (probability[b] > 0.5 * probability[b, own[m]])).sum()
                    found[t] += over[own[m]]
    model.train()
    parts = {"near": near / objects, "scored": scored / objects, "found": found / objects}
    told = [f"dedup by stage and frame {[[round(x, 3) for x in row] for row in losses.tolist()]}"]
    told += [f"{name} {[round(x, 2) for x in values.tolist()]}" for name, values in parts.items()]
    return "; ".join(told)


def train(name: str, changes: dict[str, str], steps: int) -> None:
    """Train one model and print what it does on the way."""
    config = override(TINY, changes)
    seed_everything(3)
    model = InsPro(config, 3).train()
    schedule = replace(config.train, iterations=steps, warmup_iterations=20)
    optimizer = build_optimizer(model, schedule)
    history: dict[str, list[float]] = {}
    for step in range(steps):
        for group in optimizer.param_groups:
            # the backbone starts from nothing, so it moves at the rate of the rest
            group["lr"] = learning_rate(schedule, step)
        terms = model.losses(batch(step))
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        for term, value in terms.items():
            history.setdefault(term, []).append(value.item())
        if step + 1 in {*LOOKS, steps}:
            means = {term: round(sum(v[-50:]) / len(v[-50:]), 3) for term, v in history.items()}
            print(f"{name} {step + 1}: {means}; {look(model)}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for spec in sys.argv[2:]:
        label, _, rest = spec.partition(":")
        train(label, dict(pair.split("=") for pair in rest.split(",") if pair), int(sys.argv[1]))
