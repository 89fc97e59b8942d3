"""The ledger of a store, `ledger.json`: what its tables held after the last job, and a hash of every file of the database.

LanceDB never changes a file once it is written, and keeps no hash of it. With the ledger a flipped bit is told for certain
(`verify`), a damaged description of a table before it is read, and rows that were lost when the store is opened.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cladescope.errors import StoreError
from cladescope.files import hash_file, is_sealed, sealed, write_json
from cladescope.index import remote

logger = logging.getLogger(__name__)

NAME = "ledger.json"
FORMAT_VERSION = 1
_LARGEST_VERSION = 2**64 - 1
_END = b"LANC"
_CHANGING = "latest_version_hint.json"


@dataclass(frozen=True, kw_only=True)
class TableState:
    """A table after a job."""

    version: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What a store's database was when its last job ended."""

    tables: Mapping[str, TableState] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Hash (BLAKE2b, 16 bytes) of each file by its path in the store."""
    pruning: bool = False
    """Whether a job began to remove earlier versions, and has not ended: files of these may be gone."""

    @classmethod
    def read(cls, store_path: Path) -> "Ledger | None":
        """The ledger of a store; None where no job has ended since ledgers are kept.

        Raises StoreError where it is damaged, or of a newer format.
        """
        path = store_path / NAME
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if not is_sealed(document):
                raise ValueError("it is not as it was written")
            if document["format_version"] > FORMAT_VERSION:
                raise StoreError(f"{path} has format {document['format_version']}: upgrade cladescope")
            tables = {name: TableState(**state) for name, state in document["tables"].items()}
            return cls(tables=tables, files=document["files"], pruning=document.get("pruning", False))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{path} is damaged ({error}): delete it, and the next job writes a new one") from error

    def write(self, store_path: Path) -> None:
        """Put the ledger in place of the one before. Raises OSError where it cannot be written."""
        tables = {name: asdict(state) for name, state in self.tables.items()}
        document = {"format_version": FORMAT_VERSION, "tables": tables, "files": dict(self.files)}
        if self.pruning:
            document["pruning"] = True
        write_json(store_path / NAME, sealed(document))

    def losses(self, tables: Mapping[str, Any]) -> list[str]:
        """What tables lack of what the ledger says, one sentence a table.

        `failures` and `origins` may lose rows between jobs: a picture that was mended, or deleted, leaves them.
        """
        found = []
        for name, state in self.tables.items():
            if name not in tables:
                found.append(f"{name} is not there, and held {state.rows:,} rows after the last job")
                continue
            version, rows = int(tables[name].version), int(tables[name].count_rows())
            fewer = rows < state.rows and (name not in ("failures", "origins") or version == state.version)
            if version < state.version or fewer:
                found.append(
                    f"{name} holds {rows:,} rows at version {version}, and held {state.rows:,} at version "
                    f"{state.version} after the last job"
                )
        return found


def check_manifests(store_path: Path) -> None:
    """Check the newest description of each table, and what is deleted from it, before a table is opened.

    Without a ledger only the end of the description is looked at: LanceDB dies of a file of zeros.

    Raises StoreError where a file is not as it was written.
    """
    ledger = _read_or_warn(store_path) or Ledger()
    for folder in sorted((store_path / "lance").glob("*.lance")):
        newest = max(folder.glob("_versions/*.manifest"), key=_version_of, default=None)
        if newest is not None and not _ends_well(newest):
            raise StoreError(f"{newest} is damaged (it is no description of a table): restore the store from a copy")
        for path in [*([newest] if newest is not None else []), *folder.glob("_deletions/*")]:
            wanted = ledger.files.get(path.relative_to(store_path).as_posix())
            if wanted is not None and hash_file(path) != wanted:
                raise StoreError(f"{path} is damaged (it is not as it was written): restore the store from a copy")


def check_rows(store_path: Path, name: str) -> None:
    """Check every file of a small table before it is read: of some damage the engine dies, and this process with it.

    Raises StoreError where one is not as it was written.
    """
    ledger = _read_or_warn(store_path, warn=False) or Ledger()
    changed = next(changed_files(store_path, ledger, f"lance/{name}.lance/data/"), None)
    if changed is not None:
        raise StoreError(
            f"{store_path / changed} is damaged (it is not as it was written): restore the store from a copy"
        )


def changed_files(store_path: Path, ledger: Ledger, under: str = "") -> Iterator[str]:
    """Files of a ledger, of which the path begins so, that are there and not as they were written."""
    for name, wanted in sorted(ledger.files.items()):
        if name.startswith(under) and (store_path / name).is_file() and hash_file(store_path / name) != wanted:
            yield name


def warn_of_losses(store_path: Path, tables: Mapping[str, Any]) -> None:
    """Log a line for each table of a store, just opened, that lacks what it held after its last job."""
    ledger = _read_or_warn(store_path, warn=False)
    if ledger is not None and ledger.losses(tables):
        # A job may have ended between the reading of the tables and that of the ledger.
        _refresh(tables)
        for loss in ledger.losses(tables):
            logger.warning("%s lost rows since its last job: %s: verify the store", store_path, loss)


def settle(store_path: Path, tables: Mapping[str, Any]) -> None:
    """Before a job writes: take the tables as they are, and forget the description of versions that were lost.

    Their numbers are given again to other versions, and those of lost rows to other rows: an index of them is dropped. Call
    it with the store's lock held.
    """
    ledger = _read_or_warn(store_path, warn=False)
    if ledger is None:
        return
    _refresh(tables)
    if not ledger.losses(tables):
        return
    if int(tables["images"].version) < ledger.tables["images"].version:
        for card in (store_path / "indexes").glob("*/card.json"):
            card.unlink()
            for file in card.parent.glob("index-*.faiss"):
                file.unlink(missing_ok=True)
            logger.warning("%s: the index was dropped, for it knows rows that were lost: build it again", store_path)
    there = {path.relative_to(store_path).as_posix() for path in database_files(store_path)}
    files = {name: hash_ for name, hash_ in ledger.files.items() if name in there or not name.endswith(".manifest")}
    Ledger(tables=_states(tables), files=files).write(store_path)


def expect(store_path: Path, name: str, *, rows: int) -> None:
    """Before a job deletes rows of a table: note how many will be left, so that a kill right after it is no loss."""
    ledger = _read_or_warn(store_path, warn=False)
    if ledger is not None and name in ledger.tables:
        state = replace(ledger.tables[name], rows=min(rows, ledger.tables[name].rows))
        replace(ledger, tables={**ledger.tables, name: state}).write(store_path)


def expect_pruning(store_path: Path) -> None:
    """Before a job removes earlier versions: note that their files go, so that a kill in the midst is no loss."""
    ledger = _read_or_warn(store_path, warn=False)
    if ledger is not None:
        replace(ledger, pruning=True).write(store_path)


def record(store_path: Path, tables: Mapping[str, Any]) -> None:
    """After a job has written: note rows, versions and hashes. Call it with the store's lock held.

    Files that the ledger knows are not read again, so that it costs the reading of what is new, about a second a gigabyte.
    """
    known = _read_or_warn(store_path, warn=False) or Ledger()
    _refresh(tables)
    names = {path.relative_to(store_path).as_posix(): path for path in database_files(store_path)}
    files = {name: known.files.get(name) or hash_file(path) for name, path in names.items()}
    Ledger(tables=_states(tables), files=files).write(store_path)


def database_files(store_path: Path) -> Iterator[Path]:
    """Files of a store's database that do not change once they are written."""
    for path in sorted((store_path / "lance").rglob("*")):
        # A name with # is one that is being written.
        if path.is_file() and path.name != _CHANGING and "#" not in path.name:
            yield path


def _version_of(manifest: Path) -> int:
    """Version of a table that a file describes: names count down from the largest number, in earlier databases up.

    >>> _version_of(Path("18446744073709551612.manifest")), _version_of(Path("7.manifest"))
    (3, 7)
    """
    number = int(manifest.stem) if manifest.stem.isdigit() else 0
    return _LARGEST_VERSION - number if len(manifest.stem) == len(str(_LARGEST_VERSION)) else number


def version_times(store_path: Path, name: str) -> dict[int, float]:
    """When each version of a table was written, in seconds since 1970, by its file."""
    found = remote.times_in(store_path, f"lance/{name}.lance/_versions")
    return {_version_of(Path(file)): seconds for file, seconds in sorted(found.items()) if file.endswith(".manifest")}


def _ends_well(manifest: Path) -> bool:
    """Whether a file ends as a description of a table of LanceDB's does."""
    with manifest.open("rb") as file:
        file.seek(max(0, manifest.stat().st_size - len(_END)))
        return file.read() == _END


def _states(tables: Mapping[str, Any]) -> dict[str, TableState]:
    return {
        name: TableState(version=int(table.version), rows=int(table.count_rows())) for name, table in tables.items()
    }


def _refresh(tables: Mapping[str, Any]) -> None:
    for table in tables.values():
        table.checkout_latest()


def _read_or_warn(store_path: Path, *, warn: bool = True) -> Ledger | None:
    try:
        return Ledger.read(store_path)
    except StoreError as error:
        if warn:
            logger.warning("%s", error)
        return None
