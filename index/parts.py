"""The parts of a store that jobs of many machines fill, each a shard of a source, until `index.commit` puts them together.

A part is a store of its own and lies in the folder of the store that it will become part of, at `parts/SOURCE/00003-of-00064`;
SOURCE is a hash of the source's address. Its `runs` tell whether the job that fills it has ended.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cladescope.embedding.shards import Shard
from cladescope.errors import StoreError
from cladescope.index import remote
from cladescope.index.identity import PARTS
from cladescope.index.store import Store

FOLDER = PARTS
SHOWN = 12
_NAMED = re.compile(r"(\d{5})-of-(\d{5})")
_ALIKE = ("encoder", "precision", "limit", "backbone", "types", "missing", "by_content", "exif")
"""Settings in which the jobs of all shards must agree."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part that is whole: its job has ended, and nothing was written to it since."""

    store: Store
    shard: Shard
    address: str
    """What its source is known by."""
    source: str
    """As the source was named."""
    run: Mapping[str, Any]
    """The manifest of the job that ended."""


def place_of(store_path: Path, address: str, shard: Shard) -> str:
    """Path or address where the part of a store for one shard of a source lies.

    >>> place_of(Path("photos.store"), "/photos", Shard(3, 64))
    'photos.store/parts/b419ab5c/00003-of-00064'
    """
    digest = hashlib.blake2b(address.encode(), digest_size=4).hexdigest()
    return remote.joined(store_path, FOLDER, digest, f"{shard.number:05d}-of-{shard.of:05d}")


def check_division(store_path: Path, address: str, shard: Shard) -> None:
    """Raises StoreError where the store has parts of another number of shards of this source: `commit` would refuse them."""
    own = place_of(store_path, address, shard)
    for places in _folders(store_path):
        for other, place in places.items():
            if place.rpartition("/")[0] == own.rpartition("/")[0] and other.of != shard.of:
                raise StoreError(
                    f"{place.rpartition('/')[0]} holds parts of {other.of} shards of this source, and {shard} is one of {shard.of}: "
                    f"divide it into {other.of}, or delete that folder and embed all shards anew"
                )


def check_source(part: Store, address: str) -> None:
    """Raises StoreError where a part holds pictures of another source, whose address has the same hash."""
    told = (
        json.loads(run["manifest"]).get("settings") or {} for run in part.runs.to_pylist() if run["verb"] == "embed"
    )
    for other in {settings.get("address", address) for settings in told} - {address}:
        raise StoreError(f"{part.path} is a part of {other}, not of {address}: embed one of them into another store")


def whole_parts(store_path: Path) -> list[Part]:
    """All parts of a store, by source and number.

    Raises StoreError where there is none, where one of a source is missing or not whole, or where they do not belong together.
    """
    sources = _folders(store_path)
    if not sources:
        raise StoreError(f"{remote.shown(store_path)} has no parts: embed the shards of a source into it first")
    return [part for places in sources for part in _of_source(places)]


def _folders(store_path: Path) -> list[dict[Shard, str]]:
    """The parts that are stores, by source."""
    found: dict[str, dict[Shard, str]] = {}
    for path in remote.stores_in(store_path, FOLDER):
        source, _, name = path.removeprefix(f"{FOLDER}/").partition("/")
        if (named := _NAMED.fullmatch(name)) is not None:
            found.setdefault(source, {})[Shard(int(named[1]), int(named[2]))] = remote.joined(store_path, path)
    return list(found.values())


def _of_source(places: Mapping[Shard, str]) -> list[Part]:
    totals = sorted({shard.of for shard in places})
    one = next(iter(places.values()))
    if len(totals) > 1:
        raise StoreError(
            f"{one.rpartition('/')[0]} holds parts of {totals[0]} and of {totals[1]} shards of one source: delete the folders of the one or the other"
        )
    parts: list[Part] = []
    wrong: list[str] = []
    for number in range(1, totals[0] + 1):
        shard = Shard(number, totals[0])
        found = _part(places[shard], shard) if shard in places else "is missing"
        if isinstance(found, Part):
            parts.append(found)
        else:
            wrong.append(f"{shard} {found}")
    if wrong:
        source = f"of {parts[0].source} " if parts else ""
        more = f" and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
        raise StoreError(
            f"not all parts {source}are there: {', '.join(wrong[:SHOWN])}{more}: embed these shards, then commit again"
        )
    for part in parts[1:]:
        _check_alike(parts[0], part)
    return parts


def _part(place: str, shard: Shard) -> "Part | str":
    """A part, or what it lacks."""
    store = Store.open(place)
    runs = [run for run in store.runs.to_pylist() if run["verb"] == "embed"]
    if not runs:
        return "is not finished"
    told = json.loads(runs[-1]["manifest"])
    settings, after = told.get("settings") or {}, told.get("store") or {}
    if runs[-1]["status"] != "done":
        return f"was {runs[-1]['status']}"
    if after.get("version") != store.version or after.get("failures") != store.tables["failures"].count_rows():
        return "is not finished"
    if settings.get("shard") != str(shard) or settings.get("address") is None:
        return f"holds another shard ({settings.get('shard')})"
    return Part(store=store, shard=shard, address=settings["address"], source=runs[-1]["source"], run=told)


def _check_alike(first: Part, other: Part) -> None:
    """Raises StoreError where two parts of a source were made in different ways."""
    cards = [(part.store.card, *part.store.named.values()) for part in (first, other)]
    alike = [(mine, yours) for mine in cards[0] for yours in cards[1] if mine.name == yours.name]
    for mine, yours in ((cards[0][0], cards[1][0]), *alike):
        if (difference := mine.difference(yours)) is not None:
            raise StoreError(
                f"parts {first.shard} and {other.shard} of {first.source} hold vectors of different encoders: {difference}: embed one of them anew"
            )
    settings = [part.run["settings"] | {"address": part.address} for part in (first, other)]
    for name in ("address", *_ALIKE):
        one, two = (_hash_only(each.get(name)) for each in settings)
        if one != two:
            raise StoreError(
                f"parts {first.shard} and {other.shard} of {first.source} were made with different {name} ({one} and {two}): embed one of them anew"
            )


def _hash_only(setting: object) -> object:
    """A setting; of a backbone only what tells which one it is, for the rest are counts."""
    return setting.get("hash", setting) if isinstance(setting, dict) else setting


def shards_of(parts: Iterable[Part]) -> Iterator[tuple[str, list[Part]]]:
    """The parts of each source, by its address."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.address, []).append(part)
    yield from found.items()
