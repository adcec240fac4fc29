"""Values as JSON: what `send` writes for a dict, a list or a dataclass object, and what `Message.json` makes of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, TypeVar

from ._errors import WrongType

T = TypeVar("T")


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"a {type(value).__name__} can't be written as JSON: convert it first")


def dumps(value: object) -> bytes:
    """The JSON text of a value, in UTF-8, as short as it can be."""
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def read(into: Callable[..., T], value: object) -> T:
    """An object of `into` with the members that came as JSON."""
    name = getattr(into, "__name__", repr(into))
    if not isinstance(value, dict):
        raise WrongType(f"a {name} was asked for, which is an object in JSON; it is a {type(value).__name__}")
    try:
        return into(**value)
    except TypeError as error:
        raise WrongType(f"its members are not those of {name}: {error}") from error
