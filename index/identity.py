"""The identity of a store, `store.json`: format version and encoder; docs/store-format.md describes it."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import cladescope
from cladescope.embedding.encoder import DEFAULT_ENCODER, EncoderCard
from cladescope.errors import InputError, StoreError
from cladescope.files import write_json
from cladescope.index import named_vectors, remote
from cladescope.index.files import check_empty, check_name, disk_errors, locked
from cladescope.schema import FORMAT_VERSION, NAMED_VECTORS_VERSION

NAME = "store.json"
PARTS = "parts"
"""Folder of what jobs embedded that each did a shard of a source; `index.parts` puts them together."""
MAKING_SECONDS = 10.0
"""How long to wait for another job that makes the same store."""


def make(folder: Path, card: EncoderCard) -> None:
    """Make a folder the store of one encoder's vectors.

    Raises StoreError where something stands there already or the folder cannot be written, InputError for a path that the database cannot open.
    """
    check_name(folder)
    with disk_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"{folder} is a file: a store is a folder, so choose another path")
        folder.mkdir(parents=True, exist_ok=True)
        check_empty(folder)
        # Two jobs may start on one new store: the later one waits, and finds the store made.
        with locked(folder, timeout=MAKING_SECONDS):
            check_empty(folder)
            about = {
                "format_version": 1,
                "encoder": card.to_dict(),
                "dtype": "float16",
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "cladescope": cladescope.__version__,
            }
            write_json(folder / NAME, about)
            remote.describe_new(folder, folder / NAME)


def read(folder: Path) -> EncoderCard:
    """The encoder of the store in a folder. Raises StoreError where there is no store, or one of a newer format."""
    about_path = folder / NAME
    if not about_path.is_file():
        if folder.is_file():
            raise StoreError(f"{folder} is a file: a store is a folder, so name another path")
        if (folder.is_dir() or remote.url_of(folder) is not None) and (parts := remote.stores_in(folder, PARTS)):
            raise StoreError(
                f"{remote.shown(folder)} has no store yet, only {len(parts)} parts of shards: commit it, which puts them together"
            )
        is_there = folder.is_dir() and remote.url_of(folder) is None
        found = "is no store (it has no store.json)" if is_there else "does not exist"
        raise StoreError(f"{remote.shown(folder)} {found}: embed pictures into it first, or name a store")
    try:
        about = json.loads(about_path.read_text())
        version = about["format_version"]
        card = EncoderCard.from_dict(about["encoder"]) if version <= FORMAT_VERSION else None
    except OSError as error:
        raise StoreError(f"{about_path} cannot be read: {error.strerror or error}: change its rights") from error
    except (ValueError, KeyError, TypeError, InputError) as error:
        raise StoreError(f"{about_path} cannot be read ({error}): restore it from a copy, or embed anew") from error
    if card is None:
        raise StoreError(
            f"{folder} has store format {version}, this version of cladescope reads up to {FORMAT_VERSION}: upgrade it"
        )
    return card


def named(folder: Path) -> dict[str, EncoderCard]:
    """Further encoders whose vectors a store holds beside its own, by the names of the vectors; `read` has found it sound.

    Raises StoreError where one of them cannot be read.
    """
    try:
        held = json.loads((folder / NAME).read_text()).get("vectors", {})
        return {name: EncoderCard.from_dict(card) for name, card in held.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        raise StoreError(f"{folder / NAME} cannot be read ({error}): restore it from a copy, or embed anew") from error


def read_named(folder: Path, asked: str | None) -> tuple[EncoderCard, str | None]:
    """The encoder of the vectors that are asked for, and their name, which is None for the store's own.

    Raises StoreError as `read` does, InputError for a name that no vectors have.
    """
    own = read(folder)
    others = {} if asked is None else named(folder)
    name = None if asked is None else named_vectors.chosen(asked, own, others)
    return (own, None) if name is None else (others[name], name)


def add(folder: Path, name: str, card: EncoderCard) -> None:
    """Note that a store holds vectors of a further encoder. Call it with the store's lock held, when their column is there."""
    with disk_errors(folder):
        about = json.loads((folder / NAME).read_text())
        about["vectors"] = {**about.get("vectors", {}), name: card.to_dict()}
        about["format_version"] = max(NAMED_VECTORS_VERSION, about["format_version"])
        write_json(folder / NAME, about)
        remote.describe_again(folder, folder / NAME)


def check_same(folder: Path, held: EncoderCard, other: EncoderCard) -> None:
    """Raise StoreError unless vectors of another encoder may stand beside those that the store holds."""
    if (difference := held.difference(other)) is None:
        return
    use = f"use the encoder {held.name}, or another store"
    if other.name == held.name:
        shipped = ", with the version of cladescope that shipped them" if held.name == DEFAULT_ENCODER else ""
        use = f"embed the pictures into a new store, or bring the earlier weights back{shipped}"
    raise StoreError(f"{folder} holds vectors of another encoder: {difference}: {use}")


def format_version(folder: Path) -> int:
    """The version of a store's format; `read` has found it sound."""
    return int(json.loads((folder / NAME).read_text())["format_version"])


def created(folder: Path) -> str:
    """When a store was made, to the second; copies of it say the same. `read` has found it sound."""
    return str(json.loads((folder / NAME).read_text()).get("created"))


def version_hash(folder: Path, version: int) -> str | None:
    """The hash of what a version of the pictures is made of, which tells it from the same number of another store, or of one that was
    brought back from a copy and written anew; None where the version is there no more.
    """
    versions = "lance/images.lance/_versions"
    for name in (f"{2**64 - 1 - version:020d}", str(version)):  # as Lance counts today, and as it did
        with contextlib.suppress(OSError):
            return remote.hash_of(folder, f"{versions}/{name}.manifest")
    return None
