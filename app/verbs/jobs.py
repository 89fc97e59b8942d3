"""Recording a job that fills a store: a row in the store's `runs` with settings, counts, versions and the machine."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cladescope.app.verbs.given import AnyStore, is_there, opened
from cladescope.app.verbs.machine import machine, source_file, versions
from cladescope.embedding.labels import MISSING
from cladescope.embedding.pipeline import EmbedSummary, Progress
from cladescope.embedding.table_rules import TableRules, declared_types
from cladescope.errors import CladescopeError, InUseError
from cladescope.index.running import RunningJob, killed
from cladescope.schema import STORED_COLUMNS, own_name

if TYPE_CHECKING:
    from cladescope.index.store import Store

logger = logging.getLogger(__name__)

NOTE_SECONDS = 10.0
"""How often a job notes how far it is."""


class Run:
    """A job on a store, from its first step to its row in `runs`, whatever it ends by."""

    def __init__(self, store: "Store", *, verb: str, source: str, settings: Mapping[str, object]) -> None:
        """`settings` are the options that it runs with."""
        self.settings = dict(settings)
        self.summary: EmbedSummary | None = None
        """What it did; set it when that is known."""
        self._store, self._began = store, datetime.now(UTC)
        vectors = {name: card.to_dict() for name, card in store.named.items()}
        about = {"encoder": store.card.to_dict(), "vectors": vectors, "versions": versions(), "machine": machine()}
        self._about = {**about, "source_file": source_file(source)}
        self._job = RunningJob(verb=verb, source=source, started=self._began.isoformat())
        self._counts: dict[str, object] = {}
        self._next = 0.0

    def watching(self, progress: Callable[[Progress], None] | None) -> Callable[[Progress], None]:
        """What the job calls with its progress: it is noted now and then, so that a kill is not the end of what is known."""

        def note(state: Progress) -> None:
            self._counts = {
                "records": state.done - state.filled - state.unfilled, "embedded": state.embedded, "failed": state.failed,
                "already_stored": state.already_stored, "filled": state.filled, "seconds": round(state.seconds, 3),
                "pictures_per_second": round((state.embedded + state.filled) / state.seconds, 1) if state.seconds else 0.0,
            }  # fmt: skip
            if state.seconds >= self._next:
                self._next = state.seconds + NOTE_SECONDS
                self._tell()
            if progress is not None:
                progress(state)

        return note

    def _tell(self) -> None:
        told = json.loads(json.dumps(self._manifest(), default=str))
        replace(self._job, told=told).write(self._store.path)

    def _manifest(self) -> dict[str, object]:
        counts = self._counts if self.summary is None else self.summary.to_dict()
        return {**counts, "settings": self.settings, **self._about}

    def _end(self, status: str, error: str | None = None) -> None:
        manifest = self._manifest() if error is None else {**self._manifest(), "error": error}
        self._store.record_run(
            verb=self._job.verb, source=self._job.source, started=self._began, status=status, manifest=manifest,
            run_id=self._job.run_id,
        )  # fmt: skip

    @contextmanager
    def recorded(self) -> Iterator["Run"]:
        """Note in the store what the job did, also where it fails, and what became of jobs that were killed before."""
        store = self._store
        if killed(store.path):
            # Two jobs may begin at once, and one may be killed right here: who holds the store notes what is not noted.
            with suppress(InUseError), store.held():
                noted = set(store.runs.column("run_id").to_pylist())
                for dead, last in killed(store.path):
                    if dead.run_id not in noted:
                        store.record_run(
                            verb=dead.verb, source=dead.source, started=datetime.fromisoformat(dead.started), status="killed",
                            manifest=dead.told, run_id=dead.run_id, ended=last,
                        )  # fmt: skip
                    dead.forget(store.path)
        self._tell()
        try:
            yield self
        except InUseError:  # it did not begin
            self._job.forget(store.path)
            raise
        except BaseException as error:
            try:
                self._end("failed", str(error).partition("\n")[0] or type(error).__name__)
            except CladescopeError as other:
                logger.warning("the run could not be noted in %s: %s", store.path, other)
            self._job.forget(store.path)
            raise
        self._end("done" if self.summary is None or not self.summary.stopped else "stopped")
        self._job.forget(store.path)


def table_rules(store: AnyStore, types: Mapping[str, str] | None, missing: Sequence[str] | None) -> TableRules:
    """How tables are read that go into a store: declared types, those that its columns have, and words for what is missing.

    Raises InputError for a type that there is not.
    """
    declared = declared_types(",".join(f"{column}={name}" for column, name in (types or {}).items()))
    there = not isinstance(store, str | os.PathLike) or is_there(store)
    fields = [field for field in opened(store).schema if field.name not in STORED_COLUMNS] if there else []
    stored = {own_name(field.name): field.type for field in fields}
    words = MISSING if missing is None else frozenset(word.strip().lower() for word in missing)
    return TableRules(types=declared, stored=stored, missing=words)
