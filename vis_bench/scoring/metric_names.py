"""What `--metrics` takes: single metrics, named as their key in the result, and groups of them."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.errors import UsageError, did_you_mean

DEFAULT_METRICS = ("video_ap", "frame_ap", "mot", "hota", "errors", "duplicates")
"""What is measured where nothing is said: what records hold."""
METRICS = (
    *DEFAULT_METRICS,
    *("frame_ap_official", "video_ap_agnostic", "mot_masks", "mots", "hota_classes", "hota_curves", "teta"),
)
"""Every single metric; its numbers stand under this key (`video_ap` also fills `per_category`, `mot` and
`hota` also `operating_point`; that of `duplicates` is `duplicates_per_100`)."""
ALIASES = {"ap": "video_ap", "duplicates_per_100": "duplicates"}
GROUPS = {
    "default": DEFAULT_METRICS,
    "official": ("video_ap",),
    "mot": ("mot", "mot_masks", "mots"),
    "hota": ("hota", "hota_classes", "hota_curves"),
    "all": METRICS,
}
"""A group that is named as a metric is that metric and its relatives."""
_KNOWN = tuple(dict.fromkeys((*GROUPS, *METRICS, *ALIASES)))


def parse_metrics(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Single metrics from names of groups and metrics (a list, or text with commas), each once, in this
    order.

    None: DEFAULT_METRICS. Raises UsageError for an unknown name and for none at all.
    """
    if given is None:
        return DEFAULT_METRICS
    names = given.split(",") if isinstance(given, str) else given
    wanted = [name.strip() for name in names if name.strip()]
    if not wanted:
        raise UsageError(f"--metrics {given!r}: names no metric. Known: {', '.join(_KNOWN)}.")
    return tuple(
        dict.fromkeys(metric for name in wanted for metric in GROUPS.get(name) or (metric_name(name),))
    )


def metric_name(name: str) -> str:
    """The single metric of this name or alias. Raises UsageError for an unknown name."""
    metric = ALIASES.get(name, name)
    if metric not in METRICS:
        raise UsageError(f"Unknown metric {name!r}.{did_you_mean(name, _KNOWN)}")
    return metric
