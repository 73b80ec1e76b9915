"""`vis-bench reassociate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from vis_bench.commands.eval import open_truth
from vis_bench.data.frame_predictions import FRAMES_NAME, read_frames
from vis_bench.data.predictions import write_results
from vis_bench.engine.plan import resolve_config
from vis_bench.errors import UsageError
from vis_bench.files import dump_json, write_json
from vis_bench.report.terminal.rule_table import rule_table
from vis_bench.scoring.evaluate import evaluate
from vis_bench.scoring.reassociate import Rule, methods_with_rules, reassociate, require_rule, stored_videos
from vis_bench.setup.config import override, parse_assignment
from vis_bench.setup.plugins import check_shadowing, load_spec, split_variant
from vis_bench.setup.protocol import load_protocol, protocol_for_dataset


@dataclass(frozen=True, slots=True)
class ReassociateArguments:
    """The options of `vis-bench reassociate` as given."""

    frames: Path
    method: str
    dataset: str
    split: str | None
    assignments: tuple[str, ...]
    json: str | None
    predictions: Path | None
    data_root: Path | None


def reassociate_command(arguments: ReassociateArguments) -> None:
    """Track stored frame predictions under one rule or under all, and score the tracks."""
    check_shadowing()
    values = tuple(parse_assignment(text) for text in arguments.assignments)
    rules = choose_rules(arguments.method, arguments.dataset, values)
    if arguments.predictions is not None and len(rules) > 1:
        raise UsageError("--predictions writes the tracks of one rule. Name one --method.")
    path = arguments.frames / FRAMES_NAME if arguments.frames.is_dir() else arguments.frames
    whole = open_truth(None, arguments.dataset, arguments.split, arguments.data_root)
    frames = read_frames(path, whole)
    dataset = stored_videos(whole, frames)
    if len(dataset.videos) < len(whole.videos):
        typer.echo(
            f"vis-bench: {path} holds {len(dataset.videos)} of {len(whole.videos)} videos; only these are "
            "scored.",
            err=True,
        )
    results = {}
    for rule in rules:
        tracks = reassociate(rule, frames, dataset)
        results[rule.name] = evaluate(dataset, tracks)
        if arguments.predictions is not None:
            write_results(arguments.predictions, tracks)
    if arguments.json == "-":
        sys.stdout.write(dump_json(results, indent=1) + "\n")
        return
    if arguments.json is not None:
        write_json(Path(arguments.json), results)
    typer.echo(rule_table(results))


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
