"""How often the host may wait for the device: what tests assert, and the check on a GPU too."""

from __future__ import annotations

PER_SHARD = 5
# the forward pass of these waits: proposals are suppressed and sampled before the box head reads them, track
# queries are the matched slots of the frame before. Their limit holds for each frame of a clip
WAITING = ("masktrack_rcnn", "inspro_motr")
CLIP_LEVEL = ("mask2former_vis", "ifr")
PER_FRAME = {"masktrack_rcnn": 10}  # two suppressions, and what is left after each
PER_FRAME_ON_LINE, PER_VIDEO, PER_FRAME_OF_A_VIDEO = 6, 6, 1


def limit_of_a_shard(name: str, frames: int) -> int:
    """Of one shard, whatever its clips. frames: of a clip."""
    return PER_SHARD * (frames if name in WAITING else 1)


def limit_of_a_frame(name: str) -> int:
    """Of a frame of an on-line method."""
    return PER_FRAME.get(name, PER_FRAME_ON_LINE)


def limit_of_a_video(name: str, frames: int) -> int:
    """Of a whole video."""
    if name in CLIP_LEVEL:
        return PER_VIDEO + PER_FRAME_OF_A_VIDEO * frames
    return limit_of_a_frame(name) * frames
