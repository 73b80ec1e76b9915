"""What a reader has to know of the GPU: clocks that were held down, a warm-up that never settled, company."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.engine.speed.nvml import HARMLESS_REASONS, REASONS
from vis_bench.records.speed import Repeat


def gpu_notes(repeats: Sequence[Repeat]) -> list[str]:
    """From what NVML saw before, during and after the repeats."""
    looks = [facts for repeat in repeats for facts in (repeat.gpu_before, repeat.gpu_after) if facts]
    samples = [repeat.gpu_samples for repeat in repeats if repeat.gpu_samples]
    notes = [f"GPU: {facts['unknown']}" for facts in looks[:1] if "unknown" in facts]
    reasons = 0
    for facts in (*looks, *samples):
        reasons |= facts.get("throttle_reasons", 0) & ~HARMLESS_REASONS
    if reasons:
        share = max((facts["throttled_share"] for facts in samples), default=None)
        often = "" if share is None else f" in up to {share:.0%} of the samples"
        notes.append(f"the GPU lowered its clocks{often}: {reasons_text(reasons)}")
    others = max((facts.get("other_processes", 0) for facts in looks), default=0)
    if others:
        notes.append(f"{others} other processes on the GPU")
    elif any(facts.get("own_process") == "not seen" for facts in looks):
        notes.append("NVML shows no process here, not even this one: others on the GPU would not be seen")
    unsettled = [repeat.warm_up for repeat in repeats if repeat.warm_up and not repeat.warm_up.stable]
    if unsettled:
        most = max(warm_up.seconds for warm_up in unsettled)
        changes = [warm_up.last_change for warm_up in unsettled if warm_up.last_change is not None]
        still = f", it still changed by {max(changes):.1%}" if changes else ""
        notes.append(f"the time per frame was not stable after {most:.0f} s of warm-up{still}")
    return notes


def reasons_text(bits: int) -> str:
    """NVML's bits in words.

    >>> reasons_text(0x24)
    'power cap, thermal limit'
    """
    known = [word for bit, word in REASONS.items() if bits & bit]
    rest = bits & ~sum(REASONS)
    return ", ".join([*known, *([f"NVML reason {rest:#x}"] if rest else [])])
