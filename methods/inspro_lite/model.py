"""InsPro-lite: wiring of both kinds of frames, the second training phase and on-line inference.

Source: He et al., InsPro (NeurIPS 2022), Sec 4.2, A.1 and Fig 4; specification 6.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from methods.inspro.losses import Targets
from methods.inspro.masks import MaskHead, weight_generator
from methods.inspro.model import InsPro
from methods.inspro.parts import frames_of, query_stages
from methods.inspro.propagation import PropagatedState
from methods.inspro.supervision import weighted_losses
from methods.inspro_lite.config import InsProLiteConfig
from methods.layers.box_codec import clip_boxes
from methods.layers.query_stage import StageOutput
from vis_bench.errors import MethodError
from vis_bench.method import Clip


class InsProLite(InsPro):
    """InsPro with a head of one stage for the frames between key frames.

    The one stage has weights of its own, with its own class and box branch; its weight generator is the last
    of `mask_head.generators`. 121,236,012 parameters in the paper's configuration at 40 classes, InsPro's
    107,967,447 among them. `phase` is 0 while the head of key frames is trained, 1 while that of the others
    is; at inference it plays no part.
    """

    config: InsProLiteConfig
    mask_head: MaskHead

    def __init__(self, config: InsProLiteConfig, num_classes: int) -> None:
        super().__init__(config, num_classes)
        # after everything of InsPro, so that the same seed gives the same InsPro
        self.non_key_stage = query_stages(replace(config, stages=1), num_classes)[0]
        self.mask_head.generators.append(weight_generator(config))
        self.phase = 0

    def enter_phase(self, number: int) -> None:
        """Train the non-key head and nothing else from here on; it starts as the config says.

        Source: InsPro, A.1, "other parts in the network are fixed"; specification 6.6 and D17.
        """
        self.phase = number
        self.requires_grad_(False)
        *_, last, own = self.mask_head.generators
        pairs = ((self.stages[-1], self.non_key_stage), (last, own))
        for trained, new in pairs:
            new.requires_grad_(True)
            if self.config.non_key_init == "last_stage":
                new.load_state_dict(trained.state_dict())

    def train(self, mode: bool = True) -> InsProLite:
        """As nn.Module, but what the second phase has frozen stays in evaluation mode, BatchNorm included."""
        super().train(mode and self.phase == 0)
        self.training = mode
        if self.phase:
            self.non_key_stage.train(mode)
        return self

    def non_key_step(
        self, pyramid: Mapping[str, Tensor], state: PropagatedState, sizes: Tensor, clip_proposals: bool
    ) -> tuple[StageOutput, PropagatedState]:
        """One non-key frame of B videos: the output of its one stage, and the state for the next frame.

        Proposals are refined; queries stay as the key frame left them. Source: InsPro, A.1 and Fig 4.
        """
        output = self.non_key_stage(pyramid, state.queries, state.boxes)
        boxes = output.boxes.detach()
        if clip_proposals:
            boxes = clip_boxes(boxes, sizes)
        bank = state.bank
        if self.config.bank_frames == "all":
            bank = self.attention(output.object_features, bank)[1]
        return output, PropagatedState(state.queries, boxes, bank)

    def losses(
        self, clips: Sequence[Clip], normalisers: Mapping[str, Sequence[float]] | None = None
    ) -> dict[str, Tensor]:
        """In the first phase InsPro's; in the second those of the non-key frames, averaged over them.

        Matching runs over all frames in order, so an object keeps the slot that it got on a key frame. Raises
        MethodError where clips differ in their number of frames, or do not fit `clip_order`.
        """
        if self.phase == 0:
            return super().losses(clips, normalisers)
        order = self.config.clip_order
        if any(clip.frames.shape[0] != len(order) for clip in clips):
            raise MethodError(f"inspro_lite: clips of the second phase have {len(order)} frames, as {order}")
        pyramid, targets = self.read_clips(clips, normalisers)
        non_key = [t for t, kind in enumerate(order) if kind == "N"]
        state, outputs = self.start(targets.sizes), []
        for t in range(len(order)):
            frame = frames_of(pyramid, len(order), [t])
            clip = self.config.clip_training_proposals
            if t in non_key:
                output, state = self.non_key_step(frame, state, targets.sizes, clip)
            else:
                stages, state = self.step(frame, state, targets.sizes, clip)
                # the last stage alone decides the table
                output = stages[-1]
            outputs.append([output])
        slots, reserved = self.match_clips(outputs, targets)
        return weighted_losses(
            [outputs[t] for t in non_key],
            slots[:, non_key],
            reserved[non_key],
            _frames_of_targets(targets, non_key),
            self.mask_head,
            frames_of(pyramid, len(order), non_key),
            self.config,
            first_generator=self.config.stages,
        )

    def advance(
        self, index: int, pyramid: Mapping[str, Tensor], state: PropagatedState, sizes: Tensor
    ) -> tuple[StageOutput, int, PropagatedState]:
        """Frame `index` at inference; every `key_interval`-th from the first on is a key frame."""
        if index % self.config.key_interval == 0:
            return super().advance(index, pyramid, state, sizes)
        output, state = self.non_key_step(pyramid, state, sizes, clip_proposals=True)
        return output, self.config.stages, state


def _frames_of_targets(targets: Targets, chosen: list[int]) -> Targets:
    return replace(
        targets,
        # not indexed by a list, which would be uploaded
        boxes=torch.stack([targets.boxes[t] for t in chosen]),
        visible=torch.stack([targets.visible[t] for t in chosen]),
        masks=torch.stack([targets.masks[t] for t in chosen]),
        counts=None if targets.counts is None else torch.stack([targets.counts[t] for t in chosen]),
    )
