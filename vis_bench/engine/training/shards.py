"""Shards of a training step: what one device of the paper saw, computed one after the other or side by side.

Source: design, "The second storey", shards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vis_bench.errors import UsageError
from vis_bench.method import TrainConfig

Counts = Mapping[str, Sequence[float]]
"""Normalisers of the losses by name, as `Method.normalisers` counts them."""


@dataclass(frozen=True, slots=True)
class Shards:
    """count: shards of a step. clips: of a shard.

    A step that begins with clip i has the clips i + k * clips to i + (k + 1) * clips - 1 in shard k.
    """

    count: int
    clips: int

    def indices(self, first: int, shard: int) -> range:
        """Numbers of the clips of a shard, where the step begins with clip `first`."""
        return range(first + shard * self.clips, first + (shard + 1) * self.clips)

    def of(self, rank: int, size: int) -> range:
        """The shards that process `rank` of `size` computes: neighbours, as many for each as can be."""
        whole, rest = divmod(self.count, size)
        begin = rank * whole + min(rank, rest)
        return range(begin, begin + whole + (rank < rest))

    def owner(self, shard: int, size: int) -> int:
        """The process that computes a shard."""
        return next(rank for rank in range(size) if shard in self.of(rank, size))


def shards_of(train: TrainConfig) -> Shards:
    """How a step is cut. Raises UsageError where the clips of a shard do not divide the batch."""
    clips = train.shard_clips or train.batch_size
    if clips < 1 or train.batch_size % clips:
        raise UsageError(
            f"train.shard_clips {clips} does not divide train.batch_size {train.batch_size}. Give a divisor, "
            "such as --set train.shard_clips=1."
        )
    return Shards(train.batch_size // clips, clips)


def mean_counts(counts: Sequence[Counts]) -> dict[str, list[float]]:
    """Normalisers of all shards, added in the order of the shards and divided by their number.

    As public code adds counts over devices and divides by the number of devices. One shard keeps its own.
    """
    total = {name: list(map(float, values)) for name, values in counts[0].items()}
    for one in counts[1:]:
        for name, values in one.items():
            total[name] = [a + b for a, b in zip(total[name], values, strict=True)]
    return {name: [value / len(counts) for value in values] for name, values in total.items()}
