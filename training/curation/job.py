"""A curation that runs: its folder, its stages, and the parts of each, so that it can be cut short anywhere and go on.

Each stage leaves a folder `work/NAME` of parts of `PART_ROWS` records, the same records in every stage, and last a manifest with its settings, the hashes of
its parts and of the stages before. A part is whole or not there. A stage whose settings are others than those it was begun with is refused.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cladescope import steps
from cladescope.errors import InputError, StoreError
from cladescope.files import PART, hash_file, is_sealed, replacing, sealed, write_json
from cladescope.training.config import differences
from cladescope.training.curation.columns import SCHEMAS
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.flow import Flow, counted

T = TypeVar("T")


@runtime_checkable
class Spread(Protocol):
    """How pieces of work that need not wait for each other are done elsewhere, such as on a cluster."""

    def __call__(self, work: Callable[[Any], None], pieces: Sequence[Any], words: str, *, on_gpu: bool) -> None:
        """Do `work` with each of the pieces, which is told in `words`; `on_gpu` where it runs an encoder. Raises what `work` raises."""
        ...


PART_ROWS: Final = 50_000
"""Records of a part."""
SUMMARY: Final = "curate.json"
"""What stands in the folder of a finished data set."""
_COUNTS: Final = b"cladescope.flow"
MANIFEST: Final = "manifest.json"
"""What says that a stage is finished, and of what it was made."""
BEGUN: Final = "begun.json"


@dataclass(eq=False)
class Stage:
    """One stage of a job."""

    name: str
    folder: Path
    job: "Job"
    settings: Mapping[str, Any]
    is_done: bool = False
    more: dict[str, Any] = field(default_factory=dict)
    """What the stage wants to say in its manifest beside its counts, in plain values."""

    def unmade(self) -> list[int]:
        """Parts that are not there yet, of those that were gathered."""
        return [part for part in range(self.job.n_parts) if not self.path(part).exists()]

    def path(self, part: int) -> Path:
        """Where a part is."""
        return self.folder / f"part-{part:06d}.parquet"

    def write(self, part: int, table: pa.Table, changed: Flow | None = None) -> None:
        """Write a part; what went in and was dropped is counted here, `changed` is what was done to records that stay.

        Raises StoreError where the disk is full or cannot be written.
        """
        gathered = self.name == "gather"
        sources = table["source"] if gathered else self.job.read("gather", part, ["source"])["source"]
        before = None if gathered else self.job.read(self.job.before(self.name), part, ["dropped"])["dropped"]
        flow = counted(sources, before, table["dropped"])
        if changed is not None:
            flow.changed += changed.changed
        metadata = {_COUNTS: json.dumps(flow.to_dict()).encode()}
        try:
            with replacing(self.path(part)) as draft:
                pq.write_table(table.replace_schema_metadata(metadata), draft, compression="zstd")
        except OSError as error:
            raise StoreError(
                f"cannot write {self.path(part)} ({error.strerror or error}): make room and run it again, what is there stays"
            ) from error

    def parts(self) -> list[Path]:
        """The parts that are there, in order."""
        return sorted(self.folder.glob("part-*.parquet"))

    def flow(self) -> Flow:
        """What the parts counted, together."""
        whole = Flow()
        for path in self.parts():
            whole.add(_counted_in(path))
        return whole

    def flow_of(self, part: int) -> Flow:
        """What a part that is there counted."""
        return _counted_in(self.path(part))


def _counted_in(path: Path) -> Flow:
    return Flow.of_dict(json.loads((pq.read_schema(path).metadata or {})[_COUNTS]))


class Job:
    """A curation in its folder."""

    def __init__(
        self,
        config: CurateConfig,
        out: Path,
        *,
        load_encoder: Callable[[str], Any] | None = None,
        part_rows: int = PART_ROWS,
        spread: Spread | None = None,
    ) -> None:
        """`load_encoder` makes an encoder of its name, `spread` does parts on many machines; nothing is read or written yet."""
        self.config, self.out = config, out
        self.work = out / "work"
        self.load_encoder = load_encoder
        self.part_rows = part_rows
        self.spread = spread
        self.encoders: dict[str, Any] = {}
        """Those that were loaded, by name."""

    def each(
        self, work: Callable[[T], None], pieces: Sequence[T], words: str, *, is_told: bool = False, on_gpu: bool = False
    ) -> None:
        """Do pieces of work that need not wait for each other, each of which leaves files: in turn, or where `spread` does them.

        What does them may be sent to other machines, so it is made of a function of a module, and of plain values. `is_told` says that it tells itself how
        far it is, `on_gpu` that it runs an encoder. Raises what `work` raises.
        """
        if self.spread is not None:
            self.spread(work, pieces, words, on_gpu=on_gpu)
            return
        for piece in pieces if is_told else steps.counted(pieces, words, len(pieces)):
            work(piece)

    def __getstate__(self) -> dict[str, Any]:
        """As it goes to another machine: there a piece is done by one worker, for other cores have pieces of their own."""
        return {**self.__dict__, "spread": None, "encoders": {}, "config": replace(self.config, workers=1)}

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of this job, in their order."""
        names = list(SCHEMAS)
        if self.config.kinds.encoder:
            names.insert(names.index("look") + 1, "encode")
        return tuple(names)

    def before(self, stage: str) -> str:
        """The stage before another."""
        return self.stages[self.stages.index(stage) - 1]

    @property
    def n_parts(self) -> int:
        """Parts that were gathered."""
        return len(list((self.work / "gather").glob("part-*.parquet")))

    def path(self, stage: str, part: int) -> Path:
        """Where a part of a stage is."""
        return self.work / stage / f"part-{part:06d}.parquet"

    def read(self, stage: str, part: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Some columns of a part of a stage, by default all."""
        return pq.read_table(self.path(stage, part), columns=None if columns is None else list(columns))

    def scan(self, stage: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Some columns of all parts of a stage, in order, a part at a time."""
        for part in range(self.n_parts):
            yield self.read(stage, part, columns)

    def column(self, stage: str, name: str) -> pa.ChunkedArray:
        """One column of a whole stage, in memory."""
        chunks = [chunk for table in self.scan(stage, [name]) for chunk in table[name].chunks]
        return pa.chunked_array(chunks) if chunks else pa.chunked_array([], pa.string())

    def is_in(self, stage: str, part: int) -> pa.ChunkedArray:
        """Which records of a part are still in after a stage, as booleans."""
        return pc.is_null(self.read(stage, part, ["dropped"])["dropped"])

    def forget(self, stages: Sequence[str]) -> None:
        """Delete stages, the last first, each put aside in one step, so that none is ever there in part; and what a killed process put aside."""
        for name in reversed(stages):
            if (self.work / name).exists():
                (self.work / name).rename(self.work / f"{PART}{name}")
                shutil.rmtree(self.work / f"{PART}{name}")
        for left in self.work.glob(f"{PART}*"):
            shutil.rmtree(left)

    def manifest(self, stage: str) -> dict[str, Any]:
        """What a finished stage says of itself. Raises InputError where it is damaged or not there."""
        path = self.work / stage / MANIFEST
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: delete {path.parent} and run the curation again") from error
        if not is_sealed(found):
            raise InputError(f"{path} is damaged: delete {path.parent} and run the curation again")
        return found

    @contextmanager
    def stage(self, name: str, settings: Mapping[str, Any]) -> Iterator[Stage]:
        """Begin or go on with a stage; where the block ends all parts are there, and its manifest is written.

        `settings` are what decides its bytes, in plain values. A stage that is finished `is_done`, and its block should do nothing.

        Raises InputError where the stage was begun with other settings, or what it was made of has changed.
        """
        settings = json.loads(json.dumps(dict(settings), sort_keys=True))
        folder = self.work / name
        above = {one: self.manifest(one)["hash"] for one in self.stages[: self.stages.index(name)]}
        begun = {"stage": name, "settings": settings, "made_of": above}
        stage = Stage(name, folder, self, settings, (folder / MANIFEST).exists())
        check_begun(folder, begun, self.out)
        if stage.is_done:
            self.manifest(name)
            yield stage
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / BEGUN, begun)
        yield stage
        if missing := stage.unmade():
            raise InputError(
                f"part {missing[0]} of the stage {name} was made and is not in {folder}: all machines must see the folder at one address; run it again"
            )
        hashes = {path.name: hash_file(path) for path in stage.parts()}
        whole = {**begun, "parts": hashes, "counts": stage.flow().to_dict(), "more": stage.more}
        write_json(folder / MANIFEST, sealed(whole))


def check_begun(folder: Path, begun: Mapping[str, Any], out: Path) -> None:
    """Raises InputError where a stage that is there was begun with other settings, or of other stages; not where nothing was made with these."""
    path = folder / BEGUN
    if not path.exists() or not any(one.name != BEGUN and not one.name.startswith(PART) for one in folder.iterdir()):
        return
    try:
        earlier = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: delete {folder} and run the curation again") from error
    name = begun["stage"]
    if changed := differences(earlier.get("settings", {}), begun["settings"]):
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise InputError(
            f"{out} was begun with other settings of the stage {name}: {changed[0]}{more}; "
            f"put them back, curate into another folder, or make {name} anew with all that follows (redo {name})"
        )
    if earlier.get("made_of") != begun["made_of"]:
        raise InputError(
            f"the stage {name} in {out} was made of what an earlier stage has made anew since: make {name} anew, too (redo {name})"
        )
