"""The mutants that no test can notice, as `equivalent.toml` tells them."""

import tomllib
from pathlib import Path

LIST = Path(__file__).with_name("equivalent.toml")


def equivalents() -> dict[tuple[str, str, str, str], str]:
    """The reason of each, under file, function, line and mutated line: numbers of lines may shift."""
    found = {}
    for file, entries in tomllib.loads(LIST.read_text()).items():
        for entry in entries:
            for mutated in entry["mutated"]:
                found[file, entry["function"], entry["line"], mutated] = entry["reason"]
    return found
