"""The terminal text of `vis-bench compare`: intervals, verdicts and what they mean, within 80 columns."""

from __future__ import annotations

from vis_bench.records.columns import MOT_THRESHOLDS
from vis_bench.report.tables.caption import REGION_NAMES
from vis_bench.report.tables.text import (
    TERMINAL_WIDTH,
    display_width,
    one_line,
    pad_right,
    shorten,
    wrap,
    wrap_behind,
)
from vis_bench.study.comparison import Comparison, Study

_LABEL_WIDTH = 30
_FIELD = 16
_ABOVE = {
    "operating point": "Tracks above each run's operating point. ",
    **{above: f"Tracks scored above {above}. " for above in MOT_THRESHOLDS},
}


def comparison_text(study: Study) -> str:
    """Lines of at most 80 cells: every method with its seeds, then every comparison, then how to read it."""
    lines = [*_heading(study), "", *_methods(study)]
    for comparison in study.comparisons:
        lines += ["", *_comparison(comparison, study)]
    return "\n".join([*lines, "", *wrap(" ".join([*study.notes, *_sentences(study)]), TERMINAL_WIDTH)])


def _heading(study: Study) -> list[str]:
    shared = (
        f"seed {study.seeds[0]}"
        if len(study.seeds) == 1
        else f"seeds {', '.join(map(str, study.seeds))} (those that all methods have)"
    )
    text = (
        f"{study.metric} on {one_line(study.dataset)} {one_line(study.split)}: {study.videos} videos, "
        f"{REGION_NAMES.get(study.iou_type, study.iou_type)}, protocol {one_line(study.protocol)}, "
        f"{shared}. {_ABOVE.get(study.scored_above, '')}Points."
    )
    lines = wrap(text, TERMINAL_WIDTH)
    if len(study.seeds) == 1:
        lines += wrap(
            "One seed: fixed checkpoints, no claim on training. Intervals and verdicts cover the choice of "
            "videos only.",
            TERMINAL_WIDTH,
        )
    return lines


def _methods(study: Study) -> list[str]:
    names = [shorten(one_line(one.name), _LABEL_WIDTH) for one in study.methods]
    width = max(map(display_width, ["method", *names]))
    lines = [f"{pad_right('method', width)}  {'mean':>6}  {'95 % interval':>16}  each seed"]
    for name, one, (mean, low, high) in zip(names, study.methods, study.intervals, strict=True):
        head = f"{pad_right(name, width)}  {mean:>6.1f}  {f'{low:.1f} to {high:.1f}':>16}  "
        values = " ".join(f"{value:.1f}" for value in one.values)
        lines += wrap_behind(head, values)
    return lines


def _comparison(one: Comparison, study: Study) -> list[str]:
    found = one.difference
    adjusted = f" (Holm, {len(study.comparisons)} comparisons)" if len(study.comparisons) > 1 else ""
    fields = [
        ("difference", f"{found.mean:+.2f}, 95 % interval {found.low:+.2f} to {found.high:+.2f}"),
        ("p", f"{p_text(one.p)}{adjusted}"),
        ("verdict", verdict_text(one, study)),
    ]
    if one.probability is not None:
        a, b = (shorten(one_line(name), _LABEL_WIDTH) for name in (one.a, one.b))
        fields.append(
            ("over seeds", f"a run of {a} beats a run of {b} with probability {one.probability:.2f}")
        )
    fields.append(("videos", f"{one.wins} won, {one.ties} tied, {one.losses} lost"))
    lines = wrap(f"{one_line(one.a)} minus {one_line(one.b)}", TERMINAL_WIDTH)
    for name, text in fields:
        lines += wrap_behind(f"  {name:<{_FIELD - 2}}", text)
    return lines


def p_text(p: float) -> str:
    """Three digits, or that it is smaller."""
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def verdict_text(one: Comparison, study: Study) -> str:
    """The verdict with what it claims; where it is undecided, what would decide."""
    margin = f"{study.margin:g} points"
    if study.no_verdict:
        return f"none: {study.no_verdict}"
    if one.verdict == "equivalent":
        return f"equivalent: the whole interval is within {margin}"
    if one.verdict != "undecided":
        return f"{one.verdict}: {one_line(one.a)} is {one.verdict} than {one_line(one.b)}"
    if one.videos_hidden:
        return (
            "undecided: single videos disagree, and the resamples do not show it, because the videos that "
            "hold a category are too few; more videos would show it"
        )
    found = (
        f"undecided: {len(study.seeds)} seed{'s' * (len(study.seeds) > 1)} and {study.videos} videos find "
    )
    found += f"differences from {one.detectable:.1f} points on (in 80 % of such studies)"
    if len(study.seeds) == 1:
        return f"{found}; {_videos_needed(one)}"
    if one.seeds_needed is None:
        needed = "no number of seeds would decide, more videos might"
    else:
        needed = f"{one.seeds_needed} seeds would decide"
    return f"{found}; were the true difference the one seen, {needed}"


def _videos_needed(one: Comparison) -> str:
    """What would decide between fixed checkpoints."""
    if one.videos_needed is None:
        return "were the true difference the one seen, no number of videos would decide"
    return (
        f"were the true difference the one seen, {one.videos_needed:,} such videos would decide; "
        "how many seeds would is not known from fewer than two"
    )


def _sentences(study: Study) -> list[str]:
    over = "other videos" if len(study.seeds) == 1 else "other seeds and other videos"
    sentences = [
        f"Intervals: what {over} would give.",
        f"equivalent: within {study.margin:g} points.",
        f"Videos are resampled {study.resamples_used} times, alike for all methods and seeds.",
    ]
    if study.scored_above == "operating point":
        sentences.append("The thresholds of the operating points are held fixed.")
    if study.resamples_lost and study.class_set_fixed:
        sentences.append(
            f"{study.resamples_lost} of {study.resamples_drawn} resamples drawn had lost all objects of a "
            "category and were left out."
        )
    elif study.resamples_lost:
        sentences.append(
            f"{study.resamples_lost} of {study.resamples_drawn} resamples drawn had lost all objects of a "
            "category. The others are too few or too alike to show how the difference varies, so these count "
            "too: each is a mean over the categories that it has."
        )
    return [*sentences, "Videos won, tied, lost: by the metric of each video alone, mean over the seeds."]
