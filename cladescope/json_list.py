"""A long JSON list, read entry by entry."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cladescope.errors import InputError

_DECODER = json.JSONDecoder()
_STEP = re.compile(r"\s*([\[,\]])\s*")
_TEXT_PIECE = 1 << 20


def json_entries(path: Path) -> Iterator[Any]:
    """The elements of a list in a JSON file, one after another; more is read where one is not whole."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            text, mark, expected = "", 0, "["
            while more := file.read(_TEXT_PIECE):
                text, mark = text[mark:] + more, 0
                while (step := _STEP.match(text, mark)) is not None and step[1] in expected:
                    if step[1] == "]":
                        return
                    found = _decoded(text, step.end())
                    if found is None:
                        break
                    yield found[0]
                    mark, expected = found[1], ",]"
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): name a file that is there") from error
    raise InputError(f"{path} is no JSON list, or cut off: fetch it again")


def _decoded(text: str, start: int) -> tuple[Any, int] | None:
    """The value that starts at a place and the place after it, None where it is not whole."""
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError:
        return None
