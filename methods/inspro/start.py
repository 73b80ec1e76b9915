"""What a start of InsPro or of a relative may lack, and what one of them has that another does not.

All of them have InsPro's detector, so that each can start from a file of any other. Imports no torch.
"""

from __future__ import annotations

from vis_bench.method import ClassHead, StartRules

# the bank's attention, and what relatives have besides the detector: all of it learns tracking
_ABOUT_TRACKING = (r"attention\.", r"embed_head\.", r"interaction\.", r"non_key_stage\.")

START = StartRules(
    may_miss=_ABOUT_TRACKING,
    may_be_unused=_ABOUT_TRACKING,
    class_heads=(
        ClassHead(r"stages\.\d+\.class_output\."),
        ClassHead(r"non_key_stage\.class_output\."),
    ),
)
