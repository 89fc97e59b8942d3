"""What a person decides of doubtful pictures, carried out and logged, and undone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from cladescope.analysis.classify.decided import carry_out
from cladescope.analysis.decision_table import DROP, FIX, Decision
from cladescope.app.service import decision_log
from cladescope.app.service.asked_models import OneDecision
from cladescope.app.service.decision_log import Entry
from cladescope.app.service.plain import plain
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.served_store import ServedStore
from cladescope.index import remote
from cladescope.index.store import Store
from cladescope.index.whole_rows import put_back, whole_rows
from cladescope.schema import LABEL, LEVELS, NAME_COLUMNS
from cladescope.shown import counted
from cladescope.taxonomy import RANKS

COLUMNS = (*RANKS, "common_name", LABEL, *sorted(NAME_COLUMNS))
"""What a fix may change."""
ROWS, ORIGINS = "rows", "origins"
TABLES = (ROWS, ORIGINS)


def decide(served: ServedStore, decisions: Sequence[OneDecision]) -> dict[str, Any]:
    """Carry decisions out, all or none, and log them as one entry.

    Raises RefusalError for an unknown picture, one that is decided of twice, a fix without a name or with one that is no taxon, and where another
    job writes.
    """
    _check(decisions)
    by_id = {one.image_id: one for one in decisions}
    served.check_ids(list(by_id))
    with served.writing() as store:
        folder, notes = served.path, []
        asked = [_decision(one, line, store) for line, one in enumerate(decisions, 1)]
        carry_out(store, asked, source="the decisions", dry_run=True)
        entry = 1 + max((one.entry for one in decision_log.entries(folder)), default=0)
        fixed = [one.image_id for one in decisions if one.action == FIX]
        dropped = [one.image_id for one in decisions if one.action == DROP]
        if dropped:
            decision_log.keep_rows(folder, entry, dict(zip(TABLES, whole_rows(store, dropped), strict=True)))
        before = _names(served, fixed)
        began = datetime.now(UTC)
        told = [one.model_dump() for one in decisions]
        decision_log.add(folder, "begun", entry, at=began.isoformat(timespec="seconds"), decisions=told, before=before)
        version = store.version
        found = carry_out(store, asked, source=f"entry {entry} of {decision_log.LOG}")
        counts = {"kept": found.left, "fixed": found.changed, "dropped": found.dropped}
        decision_log.add(folder, "done", entry, after=_names(served, fixed), counts=counts)
        if fixed:
            about = {**found.to_dict(), "entry": entry}
            store.record_run(verb="relabel", source=decision_log.LOG, started=began, status="done", manifest=about)
    served.carry_audit(version, store.version)  # compaction, at the end of writing, makes a version too
    if same := len(fixed) - found.changed:
        notes.append(f"{counted(same, 'picture')} had that name already")
    if found.new_taxa:
        notes.append(
            f"{counted(found.new_taxa, 'name is', 'names are')} new in this store: ranks above the genus are empty where that is new too"
        )
    if dropped:
        notes.append(
            f"{counted(len(dropped), 'row is', 'rows are')} out of the store; the pictures stay on the disk, and a later embed of their source brings them back"
        )
    return {"entry": entry, **counts, "notes": notes}


def log(served: ServedStore) -> list[dict[str, Any]]:
    """All entries, the newest first, with what each decision changed."""
    return [_shown(one) for one in reversed(decision_log.entries(_folder_of(served)))]


def undo(served: ServedStore, entry: int) -> dict[str, Any]:
    """Put back what an entry changed: names as they were, where none has changed them since, and dropped rows.

    Raises RefusalError for an unknown entry and one that is undone.
    """
    with served.writing() as store:
        folder, began = served.path, datetime.now(UTC)
        found = next((one for one in decision_log.entries(folder) if one.entry == entry), None)
        if found is None:
            raise RefusalError(404, f"no entry {entry} of decisions in {served.name}")
        if found.undone is not None:
            raise RefusalError(409, f"entry {entry} is undone already, since {found.undone}")
        version = store.version
        notes: list[str] = []
        restored = _put_names_back(served, store, found, notes)
        dropped = [one["image_id"] for one in found.decisions if one["action"] == DROP]
        if dropped:
            n = put_back(store, *decision_log.kept_rows(folder, entry, TABLES))
            restored += n
            if n:
                notes.append(f"{counted(n, 'row stands', 'rows stand')} behind the others of the store now")
            if there := len(dropped) - n:
                notes.append(
                    f"{counted(there, 'dropped picture was', 'dropped pictures were')} in the store again: left as they are"
                )
        decision_log.add(folder, "undone", entry, at=began.isoformat(timespec="seconds"), restored=restored)
        if restored:
            about = {"entry": entry, "restored": restored}
            store.record_run(verb="undo", source=decision_log.LOG, started=began, status="done", manifest=about)
    served.carry_audit(version, store.version)
    return {"restored": restored, "notes": notes}


def decided(served: ServedStore) -> dict[tuple[str, str | None], str]:
    """The latest decision of each picture and list that is not undone; of a decision without a list, under None."""
    found: dict[tuple[str, str | None], str] = {}
    for entry in decision_log.entries(_folder_of(served)):
        if entry.undone is None:
            for one in entry.decisions:
                found[one["image_id"], one["list"]] = one["action"]
    return found


def _check(decisions: Sequence[OneDecision]) -> None:
    """Raise RefusalError for decisions that cannot be carried out together."""
    seen: set[str] = set()
    for line, one in enumerate(decisions, 1):
        if one.image_id in seen:
            raise RefusalError(
                422, f"{one.image_id!r} is decided of twice: once in decision {line}, and before: leave one"
            )
        seen.add(one.image_id)
        if one.action == FIX and not (one.value or "").strip():
            raise RefusalError(422, f"decision {line} is to fix {one.image_id!r} and has no value: give the new name")
        if one.rank is not None and one.rank not in LEVELS:
            raise RefusalError(
                422, f"rank is {one.rank[:100]!r} in decision {line}: expected one of {', '.join(LEVELS)}"
            )


def _decision(one: OneDecision, line: int, store: Store) -> Decision:
    """A decision as `relabel` takes it. Without a rank the name is a taxon or, where the store has none, a label."""
    level = one.rank or (LABEL if not len(store.taxonomy) and LABEL in store.schema.names else "")
    return Decision(one.image_id, one.action, " ".join((one.value or "").split()), level, line)


def _names(served: ServedStore, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What a fix may change, of some pictures; columns that the store has."""
    there = [name for name in COLUMNS if name in served.store.schema.names]
    return {one: {name: row[name] for name in there} for one, row in served.rows_of(ids, there).items()}


def _put_names_back(served: ServedStore, store: Store, entry: Entry, notes: list[str]) -> int:
    """Put the names of fixed pictures back, and return how many got others by that."""
    now = _names(served, list(entry.before))
    changed, since = [], 0
    for image_id, before in entry.before.items():
        if image_id not in now:
            since += 1
            continue
        here = now[image_id]
        own = {name: before.get(name) for name in here}
        if own == here:
            continue
        then = entry.after.get(image_id, {})
        if entry.is_done and any(then.get(name) != value for name, value in here.items()):
            since += 1
            continue
        changed.append({"image_id": image_id, **own})
    if since:
        notes.append(
            f"{counted(since, 'picture was', 'pictures were')} changed since, or left the store: left as they are"
        )
    if changed:
        schema = store.schema
        store.update(pa.Table.from_pylist(changed, schema=pa.schema([schema.field(name) for name in changed[0]])))
    return len(changed)


def _shown(entry: Entry) -> dict[str, Any]:
    changes = []
    for one in entry.decisions:
        before, after = entry.before.get(one["image_id"], {}), entry.after.get(one["image_id"], {})
        rank = one["rank"] if one["action"] == FIX else None
        rank = rank or _changed_at(before, after)
        changes.append({
            "image_id": one["image_id"], "action": one["action"], "rank": rank,
            "before": None if rank is None else before.get(rank), "after": None if rank is None else after.get(rank),
        })  # fmt: skip
    found = {
        "entry": entry.entry,
        "at": entry.at,
        **entry.counts,
        "undone": entry.undone is not None,
        "changes": changes,
    }
    return plain(found)  # type: ignore[return-value]


def _changed_at(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    """The narrowest rank at which a name changed; `label` for a label."""
    return next((rank for rank in (LABEL, *reversed(RANKS)) if before.get(rank) != after.get(rank)), None)


def _folder_of(served: ServedStore) -> Path:
    if remote.url_of(served.path) is not None:
        raise RefusalError(422, f"{served.name} is on object storage, to read only: there are no decisions")
    with served.reading():
        return served.path
