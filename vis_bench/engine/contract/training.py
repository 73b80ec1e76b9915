"""Losses and what follows from them: they teach, are finite, and depend on clips and seed alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

import torch
from torch import Tensor

from vis_bench.engine.contract.image_stage import IMAGE_STAGE
from vis_bench.engine.contract.result import Check, Outcome, broken, not_applicable, passed
from vis_bench.engine.contract.scenes import as_clip, blank_scene, draw_scene, hidden_after
from vis_bench.engine.contract.subject import Fit, Subject, seeded_losses, take_steps, total_of
from vis_bench.method import Clip

FALL = 0.9
"""The loss has to fall below this share of its first value."""
ORDER_DRAWS = 6
ORDER_ERRORS = 5.0
ORDER_RELATIVE = 1e-4
SEED_STEPS = 3


def losses(subject: Subject) -> Outcome:
    """Named scalars, finite, with a finite gradient."""
    model = subject.build().train()
    terms = seeded_losses(model, [subject.clip(1, objects=2), subject.clip(2, objects=1)], step=0)
    problem = _problem_of(terms) or _backward_problem(model, terms)
    if problem:
        return broken(problem)
    return passed(f"finite, with a finite gradient: {', '.join(terms)}")


def learns(fitted: Fit) -> Outcome:
    """The total loss falls on one clip."""
    before, after = fmean(fitted.totals[:3]), fmean(fitted.totals[-5:])
    said = f"loss {before:.4g} -> {after:.4g} in {len(fitted.totals)} steps on one clip"
    if fitted.unreached:
        # no fault in itself: an unused pyramid level, a part that needs other frames
        said += f"; {len(fitted.unreached)} tensors got no gradient, first {fitted.unreached[0]}"
    return passed(said) if after < before - (1 - FALL) * abs(before) else broken(said)


def no_objects(subject: Subject) -> Outcome:
    """Clips without an object, beside others and alone, and objects that leave; all with a gradient."""
    frames = subject.clip_frames
    scene = draw_scene(3, frames, objects=2)
    empty = as_clip(blank_scene(frames))
    batches: dict[str, list[Clip]] = {
        "a clip without objects": [empty],
        "a clip without objects beside one with two": [empty, as_clip(scene)],
        "objects in the first frame only": [as_clip(hidden_after(scene, 1))],
    }
    for name, batch in batches.items():
        model = subject.build().train()
        terms = seeded_losses(model, batch, step=0)
        problem = _problem_of(terms) or _backward_problem(model, terms)
        if problem:
            return broken(f"{name}: {problem}")
    return passed(f"{len(batches)} batches: finite losses with a gradient")


def clip_sizes(subject: Subject) -> Outcome:
    """A batch of clips of different sizes, as augmentation makes them."""
    frames = subject.clip_frames
    sizes = ((64, 96), (96, 64), (75, 101))
    batch = [as_clip(draw_scene(4 + i, frames, 2, size)) for i, size in enumerate(sizes)]
    model = subject.build().train()
    terms = seeded_losses(model, batch, step=0)
    problem = _problem_of(terms) or _backward_problem(model, terms)
    return broken(problem) if problem else passed("one batch of " + ", ".join(f"{h}x{w}" for h, w in sizes))


def one_backbone_call(subject: Subject) -> Outcome:
    """One training step calls the backbone once: an auxiliary loss of the protocol reads its features."""
    model = subject.build().train()
    if not hasattr(model, "backbone"):
        return not_applicable("the method has no attribute `backbone`")
    calls: list[int] = []
    hook = model.backbone.register_forward_hook(lambda *_: calls.append(1))
    seeded_losses(model, [subject.clip(1, objects=2), subject.clip(2, objects=1)], step=0)
    hook.remove()
    if len(calls) != 1:
        return broken(f"`losses` called the backbone {len(calls)} times")
    return passed("one call for all frames of all clips")


def seed(subject: Subject) -> Outcome:
    """The same seed gives the same start, and the same losses step by step."""
    clips = [subject.clip(1, objects=2)]
    models = [subject.build(seed=7) for _ in range(2)]
    states = [model.state_dict() for model in models]
    for name, value in states[0].items():
        if name not in states[1] or not torch.equal(value, states[1][name]):
            return broken(f"two builds from one seed differ in {name}")
    runs = [take_steps(model, clips, subject.phases[0], SEED_STEPS) for model in models]
    for step, (one, other) in enumerate(zip(*runs, strict=True)):
        if one != other:
            return broken(f"two trainings from one seed differ at step {step}: loss {one!r} and {other!r}")
    return passed(f"two builds agree exactly, and their losses in {SEED_STEPS} steps")


def batch_order(subject: Subject) -> Outcome:
    """Losses do not depend on the order of the clips in a batch.

    A method without random numbers has to give equal terms (relative tolerance 1e-4, for sums in another
    order). A method that draws them draws others for each clip in another order, so equality holds only in
    expectation: the means over six seeds may differ by five standard errors of their difference. What that
    cannot see is told.
    """
    frames = subject.clip_frames
    clips = [as_clip(draw_scene(10 + i, frames, objects)) for i, objects in enumerate((1, 2, 4))]
    model = subject.build().train()
    forward = _draws(model, clips, range(ORDER_DRAWS))
    backward = _draws(model, clips[::-1], range(ORDER_DRAWS, 2 * ORDER_DRAWS))
    blind = 0.0
    for name, values in forward.items():
        others = backward[name]
        error = math.sqrt((variance(values) + variance(others)) / ORDER_DRAWS)
        gap, scale = abs(fmean(values) - fmean(others)), abs(fmean(values))
        allowed = ORDER_ERRORS * error + ORDER_RELATIVE * scale + 1e-6
        if not gap <= allowed:
            return broken(
                f"loss {name!r} is {fmean(values):.5g} for three clips and {fmean(others):.5g} in reversed "
                f"order (allowed: {allowed:.2g})"
            )
        blind = max(blind, allowed / scale if scale else 0.0)
    if all(len(set(values)) == 1 for values in forward.values()):
        return passed("the same losses for three clips in reversed order")
    return passed(
        f"the same mean losses for three clips in reversed order; the method draws random numbers, so a "
        f"difference below {100 * blind:.1f} % would not be seen"
    )


def phases(subject: Subject) -> Outcome:
    """Each later phase keeps the names of the weights, trains something, and leaves frozen ones alone."""
    if len(subject.phases) == 1:
        return not_applicable("the method is trained in one phase")
    model = subject.build()
    names = set(model.state_dict())
    for number, phase in enumerate(subject.phases[1:], start=1):
        model.enter_phase(number)
        odd = sorted(names ^ set(model.state_dict()))
        if odd:
            return broken(f"enter_phase({number}) added or removed {odd[0]}")
        if not any(parameter.requires_grad for parameter in model.parameters()):
            return broken(f"phase {number} has no parameter to train")
        before = {name: value.clone() for name, value in model.state_dict().items()}
        clip = subject.clip(seed=1, objects=2, frames=phase.sampling.frames)
        take_steps(model, [clip], phase, SEED_STEPS)
        changed = [name for name in _frozen(model) if not torch.equal(before[name], model.state_dict()[name])]
        if changed:
            return broken(f"phase {number} froze {changed[0]}, but training changes it")
    return passed(f"{len(subject.phases)} phases train, and leave alone what they freeze")


def _frozen(model: torch.nn.Module) -> list[str]:
    """State names of parameters without gradient, and of buffers beside nothing but such parameters."""
    found = []
    for prefix, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own.values()):
            names = [*own, *(name for name, _ in module.named_buffers(recurse=False))]
            found += [f"{prefix}.{name}" if prefix else name for name in names]
    kept = set(model.state_dict())
    return [name for name in found if name in kept]


def _draws(model: torch.nn.Module, clips: Sequence[Clip], steps: range) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with torch.no_grad():
        for step in steps:
            for name, value in seeded_losses(model, clips, step).items():
                found.setdefault(name, []).append(value.item())
    return found


def _problem_of(terms: object) -> str | None:
    if not isinstance(terms, dict) or not terms:
        return f"`losses` returned {type(terms).__name__}, not a dictionary with at least one loss"
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.numel() != 1:
            return f"loss {name!r} is no tensor of one number"
        if not math.isfinite(value.item()):
            return f"loss {name!r} is {value.item()}"
    return None


def _backward_problem(model: torch.nn.Module, terms: dict[str, Tensor]) -> str | None:
    total = total_of(terms)
    if not total.requires_grad:
        return "the total loss has no gradient"
    total.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    for name, gradient in gradients.items():
        if not torch.isfinite(gradient).all():
            return f"the gradient of {name} is not finite"
    if not any(gradient.any() for gradient in gradients.values()):
        return "the gradient is zero everywhere"
    return None


TRAINING = (
    Check(
        "losses",
        "Return a dictionary of finite scalars that depend on the parameters; look for log(0), 0/0 and "
        "detached tensors.",
        losses,
    ),
    Check(
        "clips without objects",
        "Let every loss be a sum over matched objects divided by max(count, 1), so that it is 0 and still "
        "part of the graph.",
        no_objects,
    ),
    Check("clip sizes", "Pad the clips of a batch to a common size and mask the padding.", clip_sizes),
    Check(
        "one backbone call",
        "Stack the frames of all clips and call self.backbone once.",
        one_backbone_call,
    ),
    Check(
        "seed",
        "Draw every random number from torch's global generator: no clock, no numpy, no order of sets.",
        seed,
    ),
    Check(
        "batch order",
        "Reduce over the clips of a batch by sums or means, never by their position.",
        batch_order,
    ),
    Check(
        "phases",
        "In enter_phase set requires_grad and initialise, nothing else; override train() so that frozen "
        "normalisation stays in evaluation mode.",
        phases,
    ),
    IMAGE_STAGE,
)
LEARNS = Check(
    "learns",
    "Overfit one clip: look at matched pairs, targets and the gradient of each loss.",
    learns,
)
