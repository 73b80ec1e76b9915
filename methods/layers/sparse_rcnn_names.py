"""Names of Sparse R-CNN's public checkpoints (detectron2) and of AdelaiDet's mask branch.

Source: names of the public state dictionaries (specification 2.1, 3.1 and 6.1).
"""

from __future__ import annotations

_STAGE = {
    "self_attn": "attention",
    "norm1": "attention_norm",
    "inst_interact.dynamic_layer": "interaction.generate",
    "inst_interact.norm1": "interaction.norm_hidden",
    "inst_interact.norm2": "interaction.norm_out",
    "inst_interact.out_layer": "interaction.project",
    "inst_interact.norm3": "interaction.norm_project",
    "norm2": "interaction_norm",
    "linear1": "feedforward.0",
    "linear2": "feedforward.2",
    "norm3": "feedforward_norm",
    "cls_module": "class_branch",
    "reg_module": "box_branch",
    "class_logits": "class_output",
    "bboxes_delta": "box_output",
}


def stage_rules(prefix: str, own: str) -> tuple[tuple[str, str], ...]:
    """Renames of the stages `prefix`N. of Sparse R-CNN's head to `own`N. (`QueryStage`)."""
    return tuple(
        (rf"{prefix}(\d+)\.{theirs.replace('.', chr(92) + '.')}(?=\.)", rf"{own}\1.{ours}")
        for theirs, ours in _STAGE.items()
    )


def mask_branch_rules(own: str, levels: tuple[str, ...], convs: int) -> tuple[tuple[str, str], ...]:
    """Renames of CondInst's `mask_branch.` to `own` (`MaskBranch` of these levels and convolutions).

    A block of AdelaiDet is convolution, norm, ReLU as a sequence, ours too.
    """
    refine = tuple(
        (rf"mask_branch\.refine\.{i}\.", f"{own}refine.{level}.") for i, level in enumerate(levels)
    )
    return (*refine, (rf"mask_branch\.tower\.(?=[0-{convs}]\.)", f"{own}tower."))
