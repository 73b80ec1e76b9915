"""XML of strangers: no document type, so no entities and nothing fetched; bounded in bytes and depth."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from vis_bench.errors import DataError
from vis_bench.files import FILE_BYTES_VARIABLE, most_file_bytes

DEEPEST = 100


def parse_xml(path: Path) -> Element:
    """The root of an XML file.

    Raises DataError for what is not well-formed, declares a document type (entities can fill memory and read
    other files), is larger than `files.most_file_bytes` or nested deeper than 100.
    """
    raw = _bytes(path)
    builder = TreeBuilder()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise DataError(f"{path}: XML nested deeper than {DEEPEST}.")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise DataError(f"{path}: declares a document type (<!DOCTYPE ...>), which is refused. Remove it.")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise DataError(f"{path}: not valid XML ({error}).") from None
    return builder.close()


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > most_file_bytes():
            raise DataError(
                f"{path}: more than {most_file_bytes():,} bytes of XML. Export fewer frames a file, or raise "
                f"the limit with {FILE_BYTES_VARIABLE}=BYTES."
            )
        # not unpacked here: what is small as gzip may fill memory
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
