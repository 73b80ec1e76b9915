"""Reading and writing files: JSON with or without gzip, limits, hashes, writes that are never half done."""

from __future__ import annotations

import errno
import gzip
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from vis_bench.cache import remove_abandoned, writer_mark
from vis_bench.errors import DataError, UsageError

TEMPORARY_SUFFIX = ".tmp"
LONGEST_NAME_BYTES = 150
"""Of a file or folder that is named by `file_name`; most file systems take 255, and endings are added."""
FAST_SWITCH = "VIS_BENCH_FAST"
# what a few bytes claim must not fill the memory; each limit can be raised
FILE_BYTES_VARIABLE = "VIS_BENCH_MAX_FILE_BYTES"
PIXELS_VARIABLE = "VIS_BENCH_MAX_PIXELS"
FILE_BYTES = 2 * 2**30
"""Of a text that is read as a whole, uncompressed; the largest public annotation file has a third of it."""
PIXELS = 100_000_000
"""Of a frame: ten times those of 4K video."""
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOTHING = 4096
_PIECE_BYTES = 1 << 24


def fast_switch() -> str:
    """$VIS_BENCH_FAST: "0" switches compiled kernels and orjson off, "1" uses the kernels for any input."""
    return os.environ.get(FAST_SWITCH, "")


def most_file_bytes() -> int:
    """$VIS_BENCH_MAX_FILE_BYTES or 2 GiB. Raises UsageError for what is no number."""
    return _limit(FILE_BYTES_VARIABLE, FILE_BYTES)


def most_pixels() -> int:
    """$VIS_BENCH_MAX_PIXELS or 100 million. Raises UsageError for what is no number."""
    return _limit(PIXELS_VARIABLE, PIXELS)


def _limit(variable: str, usual: int) -> int:
    text = os.environ.get(variable, "")
    if not text:
        return usual
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise UsageError(f"{variable}={text!r}: must be a whole number.")
    return int(text)


def json_parser() -> ModuleType | None:
    """orjson where it is installed and not switched off, else None."""
    if fast_switch() == "0" or importlib.util.find_spec("orjson") is None:
        return None
    import orjson

    return orjson


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, decompressed when it starts with gzip's magic number.

    Raises DataError naming the path when it is missing, a folder, a device, unreadable, a broken gzip stream,
    or holds more bytes than `most_file_bytes`.
    """
    try:
        raw = _bytes(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, a file is needed.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
    except ValueError:
        raise DataError(f"{str(path)!r}: is no path.") from None
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            return _joined(path, file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: broken gzip stream ({error}). Copy the file again.") from None


def _bytes(path: Path) -> bytes:
    kind = path.stat().st_mode
    if stat.S_ISCHR(kind) or stat.S_ISBLK(kind):
        raise DataError(f"{path}: is a device, a file is needed.")
    with path.open("rb") as file:
        if not stat.S_ISREG(kind) or path.stat().st_size > most_file_bytes():
            return _joined(path, file)
        try:
            raw = file.read()  # at once: joined pieces would take the memory twice
        except MemoryError:
            raise _does_not_fit(path, 0) from None
        if len(raw) > most_file_bytes():
            raise _too_large(path)
        return raw


def _joined(path: Path, file: IO[bytes] | gzip.GzipFile) -> bytes:
    """All that a file holds, if it is not too much. Raises DataError."""
    most, found, size = most_file_bytes(), list[bytes](), 0
    try:
        while piece := file.read(_PIECE_BYTES):
            found.append(piece)
            size += len(piece)
            if size > most:
                raise _too_large(path)
        return b"".join(found)
    except MemoryError:
        raise _does_not_fit(path, size) from None


def _does_not_fit(path: Path, size: int) -> DataError:
    return DataError(
        f"{path}: does not fit into memory ({size:,} bytes were read). Free some memory, or give a smaller "
        "file."
    )


def _too_large(path: Path) -> DataError:
    return DataError(
        f"{path}: holds more than {most_file_bytes():,} bytes uncompressed, which is the limit. Is it the "
        f"right file? {FILE_BYTES_VARIABLE}=BYTES raises the limit."
    )


def read_json(path: Path) -> Any:
    """Parse a JSON file, gzip or plain. Raises DataError with line and column when it is malformed."""
    return parse_json(read_bytes(path), str(path))


def parse_json(raw: bytes, path: str) -> Any:
    """Parse the bytes of a JSON file; path: its name in errors. Raises DataError as `read_json`."""
    parser = json_parser()
    if parser is not None:
        try:
            return parser.loads(raw)
        except parser.JSONDecodeError:
            pass  # the standard parser takes NaN, and says where a file is broken
    try:
        return json.loads(raw)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: not valid JSON at line {error.lineno} column {error.colno} ({error.msg}). "
            "Is the file complete?"
        ) from None
    except RecursionError:
        raise DataError(f"{path}: JSON nested too deeply.") from None
    except MemoryError:
        raise DataError(f"{path}: its content does not fit into memory. Give a smaller file.") from None
    except ValueError as error:
        # Python refuses whole numbers of more than 4,300 digits
        raise DataError(f"{path}: not usable JSON ({error}).") from None


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def file_name(text: str) -> str:
    """A name that came from outside (of a method, a protocol, a data set) as one plain file or folder name.

    Letters, digits and `_ . @ + = , -` stay, everything else becomes `_`; it starts with no dot, so that it
    is neither hidden nor the folder above. What was changed ends in a hash, so that two names stay two.
    """
    plain = re.sub(r"[^\w.@+=,-]", "_", text, flags=re.ASCII).lstrip(".")[:LONGEST_NAME_BYTES]
    return plain if plain == text and text else f"{plain}-{sha256(text.encode(errors='surrogatepass'))[:8]}"


def inside(root: Path, relative: str, source: Path) -> Path:
    """The path of something that a file names by its place below `root`.

    source: the file that names it, for the message. Raises DataError for an absolute path, for one that leads
    out of `root` (also through a symbolic link), for `root` itself and for what is no path.
    """
    try:
        path = (root / relative).resolve()
        path.exists()  # raises for a name that is too long
        outside = Path(relative).is_absolute() or ".." in Path(relative).parts
        if not outside and path != root.resolve() and path.is_relative_to(root.resolve()):
            return root / relative
    except (OSError, ValueError):
        pass  # a NUL, or too long
    raise DataError(
        f"{source}: names {relative!r}, which does not lie below {root}. "
        "Only paths below that folder are taken."
    )


@contextmanager
def atomic_path(path: Path, needed_bytes: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it is renamed to `path` only when the block ends well.

    Its bytes are on the disk before it is renamed, so that a power cut leaves the old file or the whole new
    one. A symbolic link is followed. A device, a pipe or standard output is written through, not replaced.

    Raises UsageError when the folder cannot be made, and where the block cannot write: for every OSError, a
    full disk say, and for what torch and safetensors raise in its place. needed_bytes: of the file, where
    they are known, for that message.
    """
    temporary = None
    folder = path.parent
    try:
        through = _written_through(path)
        target = path if through else path.resolve()
        folder = Path(tempfile.gettempdir()) if through else target.parent
        folder.mkdir(parents=True, exist_ok=True)
        prefix = f".{path.name[:LONGEST_NAME_BYTES]}."
        remove_abandoned(folder, prefix)
        own = f"{prefix}{writer_mark()}-"
        handle, name = tempfile.mkstemp(prefix=own, suffix=TEMPORARY_SUFFIX, dir=folder)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        if through:
            with temporary.open("rb") as source, path.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            return
        temporary.chmod(0o644)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise _not_written(path, folder, temporary, error, needed_bytes) from None
    except Exception as error:
        if not _failed_to_write(error):
            raise
        raise _not_written(path, folder, temporary, error, needed_bytes) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def append_text(path: Path, text: str) -> int:
    """Append UTF-8 text to a file; returns where it begins, in bytes. Raises UsageError as `atomic_path`."""
    try:
        with path.open("ab") as file:
            offset = file.tell()
            file.write(_text_bytes(text))
            return offset
    except OSError as error:
        raise _not_written(path, path.parent, path, error) from None


@contextmanager
def writing_into(folder: Path) -> Iterator[None]:
    """Raise a UsageError that names the folder where the block, which writes into it, cannot."""
    try:
        yield
    except OSError as error:
        raise _not_written(folder, folder, None, error) from None


def _failed_to_write(error: Exception) -> bool:
    """Whether an error of torch or safetensors says that the file could not be written.

    Neither raises an OSError: torch a RuntimeError of its archive writer, safetensors an error of its own.
    """
    text = str(error)
    words = ("PytorchStreamWriter", "inline_container", "iostream error", "write failed")
    of_torch = isinstance(error, RuntimeError) and any(word in text for word in words)
    return of_torch or (type(error).__name__ == "SafetensorError" and "os error" in text)


def _not_written(
    path: Path, folder: Path, written: Path | None, error: Exception, needed_bytes: int | None = None
) -> UsageError:
    """What was in the way; for want of space the bytes that were written or are needed, and those left."""
    code = error.errno if isinstance(error, OSError) else errno.ENOSPC
    reason = getattr(error, "strerror", None) or (str(error).splitlines() or [""])[0][:200]
    if code not in _NO_SPACE:
        return UsageError(f"{path}: cannot be written ({reason}).")
    try:
        done = written.stat().st_size if written is not None and written.exists() else 0
        free = shutil.disk_usage(folder).free
    except OSError:
        return UsageError(f"{path}: cannot be written ({reason}).")
    sizes = f" after {done:,} bytes" if done else ""
    if needed_bytes and not done:
        sizes = f"; {needed_bytes:,} bytes are needed"
    if free < _NOTHING:
        # torch names a place in its own sources
        reason = os.strerror(errno.ENOSPC)
    return UsageError(
        f"{path}: cannot be written ({reason}){sizes}; {free:,} bytes are free on that disk. Free some space "
        "and run again."
    )


def _written_through(path: Path) -> bool:
    """Whether a path is no regular file that can be replaced.

    A file behind /dev/stdout is open: what is printed after a replacement would go into the old one.
    """
    try:
        found = path.stat()
        mine = [os.fstat(number) for number in (1, 2)]
    except OSError:
        return path.exists() and not path.is_file()
    same = any(os.path.samestat(found, one) for one in mine)
    return same or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))


def remove_temporaries(folder: Path) -> None:
    """Remove what killed writers left in a folder; only for the one who alone may write there."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)


def require_writable(folder: Path) -> None:
    """Make a folder and write into it, before hours of work end at a place that cannot be written.

    Raises UsageError naming the folder.
    """
    with atomic_path(folder / ".writable"):
        pass
    (folder / ".writable").unlink(missing_ok=True)


def require_target(target: str | None) -> None:
    """As `require_writable` for the file of `--json`; None and `-` (standard output) need no place.

    Raises UsageError, also when the target is a folder.
    """
    if target in (None, "-"):
        return
    path = Path(str(target))
    if path.is_dir():
        raise UsageError(f"{path}: is a folder, a file is needed.")
    require_writable(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically, making its folder."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, _text_bytes(text))


def _text_bytes(text: str) -> bytes:
    """UTF-8, with `\\ud800` for half a surrogate pair: names in JSON files can have one."""
    return text.encode(errors="backslashreplace")


def dump_json(value: Any, indent: int | None = None) -> str:
    """JSON text that is valid everywhere: NaN and infinity are refused (ValueError).

    Half a surrogate pair, which no UTF-8 text can hold, stays what it is, as an escape.
    """
    return _text_bytes(json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False)).decode()


def write_json(path: Path, value: Any, indent: int | None = 1) -> None:
    """Write JSON atomically; gzip (without a time stamp, so bytes are reproducible) for `.gz` names."""
    data = (dump_json(value, indent) + "\n").encode()
    write_bytes(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
