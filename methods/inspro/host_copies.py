"""What matching reads, on the host: the network does not wait for a match, so one copy of a clip will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from methods.inspro.losses import Targets
from methods.inspro.supervision import stack_outputs
from methods.layers.full_precision import full_precision
from methods.layers.query_stage import StageOutput
from methods.layers.transfer import to_host


@full_precision
def host_copies(
    outputs: Sequence[Sequence[StageOutput]], targets: Targets
) -> tuple[list[list[StageOutput]], Targets]:
    """`outputs[frame][stage]` and the targets of these frames with what matching reads on the CPU.

    These are class logits and boxes, without gradient, and all of the targets but the masks; the
    rest stays where it is. One copy to the host.
    """
    logits, boxes, labels, places, visible, sizes = to_host(
        stack_outputs(outputs, "class_logits"),
        stack_outputs(outputs, "boxes"),
        targets.labels,
        targets.boxes,
        targets.visible,
        targets.sizes,
    )
    copies = [
        [replace(output, class_logits=logits[s, t], boxes=boxes[s, t]) for s, output in enumerate(stages)]
        for t, stages in enumerate(outputs)
    ]
    return copies, replace(targets, labels=labels, boxes=places, visible=visible, sizes=sizes)
