"""Stored detections of one run under the rules of others, from files to numbers: `vis-bench reassociate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vis_bench.data.bar import bar
from vis_bench.data.frame_predictions import FRAMES_NAME, read_frames
from vis_bench.data.predictions import write_results
from vis_bench.errors import UsageError
from vis_bench.scoring.evaluate import evaluate
from vis_bench.scoring.files import open_truth
from vis_bench.scoring.reassociate import Rule, methods_with_rules, reassociate, require_rule, stored_videos
from vis_bench.setup.config import override, parse_assignment
from vis_bench.setup.plugins import check_shadowing, load_spec, split_variant
from vis_bench.setup.protocol import load_protocol, protocol_for_dataset, resolve_config


def transplant(
    frames: str | Path,
    method: str,
    dataset: str,
    *,
    split: str | None = None,
    overrides: Sequence[str] = (),
    predictions: Path | None = None,
    data_root: Path | None = None,
    say: Callable[[str], object],
) -> dict[str, dict[str, Any]]:
    """Track stored frame predictions under one rule or under all; numbers as `evaluate` by the rule's name.

    frames: a file of frame predictions, or the run directory that holds it. method: `all`, or names
    separated by commas. overrides: texts `KEY=VALUE`. predictions: file for the tracks of one rule. say:
    takes warnings.
    Raises UsageError for unknown names, DataError for files that do not fit the data set.
    """
    check_shadowing()
    values = tuple(parse_assignment(text) for text in overrides)
    rules = choose_rules(method, dataset, values)
    if predictions is not None and len(rules) > 1:
        raise UsageError("--predictions writes the tracks of one rule. Name one --method.")
    place = Path(frames)
    path = place / FRAMES_NAME if place.is_dir() else place
    whole = open_truth(None, dataset, split, data_root)
    found = read_frames(path, whole)
    opened = stored_videos(whole, found)
    if len(opened.videos) < len(whole.videos):
        say(
            f"vis-bench: {path} holds {len(opened.videos)} of {len(whole.videos)} videos; only these are "
            "scored."
        )
    results = {}
    for rule in bar(rules, "associating", "rule"):
        tracks = reassociate(rule, found, opened)
        results[rule.name] = evaluate(opened, tracks)
        if predictions is not None:
            write_results(predictions, tracks)
    return results


def choose_rules(text: str, dataset: str, values: Sequence[tuple[str, str]]) -> list[Rule]:
    """The rules that `all` or a comma-separated list of NAME[@VARIANT] means, in the dataset's configuration.

    values: dotted keys to change; with several rules, each must be known to at least one of them. Raises
    UsageError for unknown names and keys, and for a method without a rule.
    """
    names = methods_with_rules() if text == "all" else list(dict.fromkeys(text.split(",")))
    protocol = load_protocol(protocol_for_dataset(dataset))
    rules, refused = [], []
    for name in names:
        method, variant = split_variant(name)
        spec = load_spec(method)
        require_rule(method, spec)
        _, config = resolve_config(spec, variant, protocol, ())
        for pair in values:
            try:
                config = override(config, dict([pair]))
            except UsageError as error:
                refused.append((pair, error))
        rules.append(Rule(name, spec, config))
    for pair in values:
        errors = [error for other, error in refused if other == pair]
        if len(errors) == len(rules):
            raise errors[0]
    return rules
