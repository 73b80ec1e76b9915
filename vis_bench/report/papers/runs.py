"""The run that measures a published row, and everything in which a record differs from that row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from vis_bench.records.rows import Block, Row
from vis_bench.report.papers.published import NamedDataset, PublishedRow, PublishedTable, Terms
from vis_bench.setup.protocol import Extra, load_protocol

PAPER = "paper"


@dataclass(frozen=True, slots=True)
class WantedRun:
    """A way to measure a row. config: configuration that stands for the paper's, `paper` if None.

    values: configuration values set by hand, as on the command line.
    """

    method: str
    config: str | None
    variant: str
    values: tuple[tuple[str, str], ...]

    def name(self, with_config: bool) -> str:
        """As `vis-bench run --methods` takes it."""
        parts = [part for part in (self.config if with_config else None, self.variant) if part]
        return "@".join([self.method, "+".join(parts)]) if parts else self.method


def parse_run(text: str) -> WantedRun:
    """`METHOD[@[CONFIG+]VARIANT][ KEY=VALUE ...]` as the data of papers have it."""
    name, *assignments = text.split()
    method, _, rest = name.partition("@")
    config, plus, variant = rest.rpartition("+")
    pairs = (assignment.partition("=") for assignment in assignments)
    values = tuple((key, value) for key, _, value in pairs)
    return WantedRun(method, config if plus else None, variant, values)


def reasons_against(
    terms: Terms, table: PublishedTable, row: PublishedRow, run: WantedRun, block: Block, measured: Row
) -> Iterator[str]:
    """Everything in which a record differs from the row, as short texts; none: comparable."""
    known = terms.datasets.get(table.dataset_of(row))
    if known is None or block.dataset != known.name:
        yield f"measured on {block.dataset} {block.split}"
    elif block.split not in table.same_splits:
        yield f"measured on {block.split}, published on {table.split}"
    else:
        if block.videos != known.videos.get(block.split, block.videos):
            yield f"measured on {block.videos} of {known.videos[block.split]} videos"
        yield from _training_reasons(known, measured)
    printed = row.backbone or row.backbone_assumed
    name = ((measured.records[0].get("config_values") or {}).get("backbone") or {}).get("name")
    if printed is not None and name != terms.backbones.get(printed, printed):
        yield f"backbone {name or 'unknown'}, not {printed}"
    if block.protocol != PAPER:
        yield f"protocol {block.protocol}"
    elif block.protocol_hash != _paper_hash(row.extra_data):
        yield f"protocol {PAPER} with other content ({block.protocol_hash[:8]}) than the installed one"
    base = measured.config.partition("+")[0]
    if base != (run.config or PAPER):
        yield f"configuration {base}"
    if by_hand := set_by_hand(run, measured):
        yield f"set by hand: {', '.join(by_hand)}"
    if block.iou_type != table.iou_type:
        names = {"segm": "masks", "bbox": "boxes"}
        yield f"scored on {names[block.iou_type]}, not on {names[table.iou_type]}"


def _training_reasons(known: NamedDataset, measured: Row) -> Iterator[str]:
    """Ways in which it was not trained on all training videos of the data set from the shared weights."""
    trained_on = measured.records[0].get("train_data")
    if trained_on is None:
        yield "weights as given, not trained"
        return
    everything = known.videos.get("train-full", trained_on["videos"])
    if trained_on["name"] != known.name:
        yield f"trained on {trained_on['name']} {trained_on['split']}"
    elif trained_on["videos"] != everything:
        yield f"trained on {trained_on['videos']} of {everything} videos"
    if measured.initial_weights:
        yield "training started from weights given by hand"


@cache
def _paper_hash(extra_data: bool) -> str:
    """Content hash of the installed protocol `paper`, with `--extra-data` or without."""
    protocol = load_protocol(PAPER)
    if extra_data:
        training = protocol.training.model_copy(update={"extra": Extra(path="")})
        protocol = protocol.model_copy(update={"training": training})
    return protocol.content_hash()


def set_by_hand(run: WantedRun, measured: Row) -> list[str]:
    """`key=value` of every value set by hand that the row does not ask for."""
    wanted = {key for key, _ in run.values}
    return [f"{key}={value}" for key, value in measured.overrides.items() if key not in wanted]
