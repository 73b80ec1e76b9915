"""Protocols that do not come with vis-bench, kept beside the records that were made under them.

A record has the name and the hash of its protocol. What a report says of it (which configuration it means,
how methods start, every setting) is the protocol itself: a file of one's own, or an installed one that
options of the run changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from vis_bench.errors import DataError
from vis_bench.files import read_json, write_json
from vis_bench.records.rows import Protocols, installed_protocols
from vis_bench.setup.protocol import Protocol, load_protocol

PROTOCOL_NAME = "protocol.json"


class KeptProtocol(BaseModel):
    """content_hash: as the records have it, since that of a protocol which names a file of weights cannot be
    computed where the file is not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content_hash: str
    protocol: Protocol


def keep_protocol(folders: Iterable[Path], protocol: Protocol) -> None:
    """Write a protocol into run directories that lack it; nothing for one that comes with vis-bench.

    Raises UsageError where a folder takes no files.
    """
    content = protocol.content_hash()
    if (protocol.name, content) in installed_protocols():
        return
    kept = KeptProtocol(content_hash=content, protocol=protocol).model_dump(mode="json")
    for folder in folders:
        if not (folder / PROTOCOL_NAME).is_file():
            write_json(folder / PROTOCOL_NAME, kept)


def known_protocols(folders: Iterable[Path], given: Sequence[str | Path] = ()) -> Protocols:
    """By (name, content hash): the installed protocols, those kept in run directories, and given files.

    Raises DataError for a file that is missing or damaged, UsageError for an unknown name.
    """
    found = dict(installed_protocols())
    for path in dict.fromkeys(folder / PROTOCOL_NAME for folder in folders):
        if not path.is_file():
            continue
        try:
            kept = KeptProtocol.model_validate(read_json(path))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise DataError(
                f"{path}: no protocol of a run: {where}: {first['msg']}. Remove it, and name the protocol's "
                "file with --protocol FILE.toml."
            ) from None
        found[kept.protocol.name, kept.content_hash] = kept.protocol
    for protocol in map(load_protocol, map(str, given)):
        found[protocol.name, protocol.content_hash()] = protocol
    return found
