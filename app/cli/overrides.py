"""Settings of a configuration that are replaced on the command line: `--set KEY=VALUE`."""

import tomllib
from collections.abc import Sequence
from typing import Annotated, Any

import typer

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace one setting, for instance seed=3; repeat for several."),
]


def overrides_of(texts: Sequence[str] | None) -> dict[str, Any]:
    """The settings by dotted key. Raises typer.BadParameter for a text that is none, and for a key that is given twice.

    >>> overrides_of(["seed=3", "title=Birds"])
    {'seed': 3, 'title': 'Birds'}
    """
    replaced: dict[str, Any] = {}
    for text in texts or []:
        key, value = _override(text)
        if key in replaced:
            raise typer.BadParameter(f"--set {key} is given twice, expected once")
        replaced[key] = value
    return replaced


def _override(text: str) -> tuple[str, Any]:
    """Key and value of KEY=VALUE; the value is read as TOML, and as a text where it is none."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"--set {text!r} is not KEY=VALUE: write for instance --set seed=3")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value
