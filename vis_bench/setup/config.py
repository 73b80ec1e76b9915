"""Method configurations: nested frozen dataclasses, changed by dotted keys, hashed by their values."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from vis_bench.errors import MethodError, UsageError, did_you_mean
from vis_bench.files import sha256
from vis_bench.method import MethodSpec


def choose_config(spec: MethodSpec, name: str | None, default: str) -> tuple[str, Any]:
    """The configuration that `name` means, with its full name.

    name: a configuration, a variant of the protocol's configuration `default`, `CONFIG+VARIANT`, or None for
    `default`. A method without a configuration called `default` falls back to its only one. The full name is
    `CONFIG` or `CONFIG+VARIANT`. Raises UsageError for an unknown name.
    """
    if default not in spec.configs and len(spec.configs) == 1:
        default = next(iter(spec.configs))
    wanted = default if name is None else name
    base, _, variant = wanted.partition("+")
    if wanted in spec.variants and wanted not in spec.configs:
        base, variant = default, wanted
    if not base:
        names = {**spec.configs, **spec.variants}
        raise UsageError(
            f"Method {spec.info.name!r}: the name of a configuration is missing in {wanted!r}."
            f"{did_you_mean('', names)}"
        )
    for part, known in ((base, spec.configs), (variant, spec.variants)):
        if part and part not in known:
            names = {**spec.configs, **spec.variants}
            raise UsageError(
                f"Method {spec.info.name!r} has no configuration {part!r}.{did_you_mean(part, names)}"
            )
    if not variant:
        return base, spec.configs[base]
    return f"{base}+{variant}", override(spec.configs[base], spec.variants[variant])


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as nested plain values, ready for JSON; without `ADDED_LATER` fields at their defaults.

    Raises MethodError for a value that JSON does not know: a path, an array, a number that is not finite.
    """
    try:
        return json.loads(json.dumps(_written(config), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise MethodError(
            f"{type(config).__name__} cannot be written into a record ({error}). Use text, finite numbers, "
            "true or false, None, and tuples, mappings or dataclasses of these."
        ) from None


def _written(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            field.name: _written(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not ("added_later" in field.metadata and getattr(value, field.name) == field.default)
        }
    if isinstance(value, Mapping):
        return {key: _written(entry) for key, entry in value.items()}
    return [_written(entry) for entry in value] if isinstance(value, list | tuple) else value


def dotted_keys(config: Any) -> set[str]:
    """The keys that `override` knows: of every field, and of the fields of a dataclass in a field."""
    keys = set()
    for field in dataclasses.fields(config):
        keys.add(field.name)
        inner = getattr(config, field.name)
        if dataclasses.is_dataclass(inner):
            keys |= {f"{field.name}.{key}" for key in dotted_keys(inner)}
    return keys


def config_hash(value: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of plain values."""
    return sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode())


def parse_assignment(text: str) -> tuple[str, str]:
    """`train.lr=1e-3` -> ("train.lr", "1e-3"). Raises UsageError without an equals sign."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise UsageError(f"--set {text!r}: expected KEY=VALUE, e.g. --set train.iterations=100.")
    return key.strip(), value.strip()


def override(config: Any, values: Mapping[str, Any], skip_unknown: bool = False) -> Any:
    """A copy of `config` with dotted keys replaced; text is read as the field's type.

    skip_unknown: ignore keys that this method does not have (a protocol's overrides address all methods).
    Raises UsageError for an unknown key or a value of the wrong type.
    """
    for key, value in values.items():
        try:
            config = _replace(config, key.split("."), value, key)
        except _UnknownKeyError:
            if not skip_unknown:
                raise
    return config


def value_of(config: Any, key: str) -> Any:
    """The value of a dotted key. Raises AttributeError for one that the configuration lacks."""
    for part in key.split("."):
        config = getattr(config, part)
    return config


class _UnknownKeyError(UsageError):
    pass


def _replace(config: Any, path: list[str], value: Any, key: str) -> Any:
    hints = typing.get_type_hints(type(config))
    name = path[0]
    if name not in hints:
        raise _UnknownKeyError(
            f"{key!r}: {type(config).__name__} has no field {name!r}.{did_you_mean(name, hints)}"
        )
    if len(path) > 1:
        inner = getattr(config, name)
        if not dataclasses.is_dataclass(inner):
            raise _UnknownKeyError(f"{key!r}: {name!r} is a plain value and has no fields.")
        return dataclasses.replace(config, **{name: _replace(inner, path[1:], value, key)})
    return dataclasses.replace(config, **{name: _coerce(value, hints[name], key)})


def _coerce(value: Any, hint: Any, key: str) -> Any:
    """`value` (text from the command line or a TOML value) as the type `hint`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _coerce_union(value, arguments, key)
    if origin is typing.Literal:
        for allowed in arguments:
            if value == allowed or str(value) == str(allowed):
                return allowed
        raise UsageError(f"{key}={value}: must be one of {', '.join(map(str, arguments))}.")
    if origin is tuple:
        if not isinstance(value, str | list | tuple):
            raise UsageError(f"{key}={value}: needs a list of values.")
        parts = value.strip("()[] ").split(",") if isinstance(value, str) else list(value)
        parts = [part for part in parts if not (isinstance(part, str) and not part.strip())]
        kinds = [arguments[0]] * len(parts) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(parts):
            raise UsageError(f"{key}={value}: needs {len(kinds)} values.")
        return tuple(_coerce(part, kind, key) for part, kind in zip(parts, kinds, strict=True))
    return _coerce_scalar(value, hint, key)


def _coerce_union(value: Any, arguments: tuple[Any, ...], key: str) -> Any:
    if type(None) in arguments and (value is None or str(value).strip().lower() in {"none", "null"}):
        return None
    kinds = [kind for kind in arguments if kind is not type(None)]
    for position, kind in enumerate(kinds):
        try:
            return _coerce(value, kind, key)
        except UsageError:
            if position == len(kinds) - 1:
                raise
    raise UsageError(f"{key}={value}: has no matching type.")


def _coerce_scalar(value: Any, hint: Any, key: str) -> Any:
    text = str(value).strip()
    if hint is bool:
        if text.lower() in {"true", "yes", "on", "1"}:
            return True
        if text.lower() in {"false", "no", "off", "0"}:
            return False
        raise UsageError(f"{key}={value}: must be true or false.")
    if hint in (int, float):
        kind = "a whole number" if hint is int else "a finite number"
        try:
            number = hint(text)
        except ValueError:
            raise UsageError(f"{key}={value}: must be {kind}.") from None
        if not math.isfinite(number):
            raise UsageError(f"{key}={value}: must be {kind}.")
        return number
    if hint is str:
        return text
    raise UsageError(f"{key}: a value of type {hint} cannot be set from the command line.")
