"""Whether a method's image stage trains on single images, and fits the method on videos."""

from __future__ import annotations

import re

import torch

from vis_bench.engine.contract.result import Check, Outcome, broken, not_applicable, passed
from vis_bench.engine.contract.scenes import CLASS_NAMES
from vis_bench.engine.contract.subject import Subject, seeded_losses, total_of
from vis_bench.engine.image_stage import stage_part
from vis_bench.engine.training.loop import seed_everything
from vis_bench.setup.plugins import build_method, load_spec
from vis_bench.setup.protocol import ImageRules, Protocol
from vis_bench.setup.seeds import axis_seed


def image_stage(subject: Subject) -> Outcome:
    """Its losses teach on clips of its length, and all that is not new on videos can be loaded there."""
    stage = subject.spec.image_stage
    if stage is None:
        return not_applicable("the method describes no image stage; it starts from its backbone")
    rules = Protocol(name="check", about="", config=subject.config_name, image_stage=ImageRules(images=8))
    part = stage_part(subject.name, subject.spec, subject.config_name, subject.config, rules)
    assert part is not None
    seed_everything(axis_seed(0, "init"))
    model = build_method(load_spec(part.method), part.config, len(CLASS_NAMES)).train()
    clips = [subject.clip(1, objects=2, frames=part.frames), subject.clip(2, objects=1, frames=part.frames)]
    terms = seeded_losses(model, clips, step=0)
    for name, value in terms.items():
        if not torch.isfinite(value):
            return broken(f"loss {name!r} is {value.item()} on clips of {part.frames}")
    total_of(terms).backward()
    own = {name: value.shape for name, value in subject.build().state_dict().items()}
    fitting = {name for name, value in model.state_dict().items() if own.get(name) == value.shape}
    new = {name for name in own if any(re.match(pattern, name) for pattern in stage.new)}
    kept = fitting - new
    lost = [name for name in own if name not in fitting | new]
    if not kept:
        return broken("not one of its tensors fits the method on videos")
    if lost and stage.same_as is None:
        return broken(f"{lost[0]} is not in the image stage, and `new` does not name it")
    return passed(f"{', '.join(terms)} on clips of {part.frames}; {len(kept)} of {len(own)} tensors are kept")


IMAGE_STAGE = Check(
    "image stage",
    "Switch the terms between frames off in `image_stage.overrides`, give `frames=2` where losses need a "
    "pair, and name in `new` what starts on videos.",
    image_stage,
)
