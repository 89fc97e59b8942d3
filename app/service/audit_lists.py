"""The doubtful pictures of a store as lists to decide on: found in the background, and said in a plain sentence each."""

from collections.abc import Callable, Mapping
from typing import Any

from cladescope.analysis.audit.row_words import ALIKE, end_of, groups_of, lines_of
from cladescope.analysis.audit.run import audit_store
from cladescope.app.service import decisions
from cladescope.app.service.plain import plain
from cladescope.app.service.served_store import ServedStore
from cladescope.app.service.work import Job, Work
from cladescope.errors import CladescopeError, InputError, TaxonError
from cladescope.index.store import Store
from cladescope.schema import LABEL

LISTS = ("duplicates", "outliers", "label_errors")
MOST_ITEMS = 5000
"""Of a list; the gravest are shown."""
STATES = {"running": "making", "failed": "failed", "done": "ready"}
"""What a job's state is called where what it makes is asked for."""


def audit_of(work: Work, served: ServedStore) -> dict[str, Any]:
    """The lists of a store, or how far they are; the first request for a version of the store begins them.

    Decisions about them make a version, too, for which they are not made anew: they say what was decided.
    """
    with served.reading() as store:
        key = str(served.audited(store.version))
    job = work.begin("audit", served.name, key, lambda job: found_in(served, _audited))
    empty: dict[str, list[dict[str, Any]]] = {name: [] for name in LISTS}
    answer: dict[str, Any] = {**state_of(job), "version": None, "lists": empty, "notes": [], "decided": 0}
    if job.state != "done":
        return answer
    version, lists, notes = job.result
    said = decisions.decided(served)
    lists = {name: [{**item, "decided": _decided(said, item)} for item in items] for name, items in lists.items()}
    told = {item["image_id"] for items in lists.values() for item in items if item["decided"] is not None}
    return {**answer, "version": version, "lists": lists, "notes": notes, "decided": len(told)}


def found_in(served: ServedStore, do: Callable[[Store], Any]) -> Any:
    """What a job makes of a store; errors name no folder of this machine."""
    try:
        return do(served.store)
    except CladescopeError as error:
        raise InputError(str(error).replace(str(served.path), served.name)) from error


def state_of(job: Job) -> dict[str, Any]:
    """State of a job, the share of its present step that is done, and why it failed."""
    share = None if job.done is None or not job.total else min(1.0, job.done / job.total)
    return {"state": STATES[job.state], "done": share, "problem": job.problem}


def _audited(store: Store) -> tuple[int, dict[str, list[dict[str, Any]]], list[str]]:
    version = store.version
    found = audit_store(store, only=list(LISTS))
    notes = list(found.summary["notes"])
    lists = {}
    for name in LISTS:
        rows = getattr(found, name)
        if len(rows) > MOST_ITEMS:
            notes.append(f"{MOST_ITEMS:,} of {len(rows):,} {name.replace('_', ' ')} are listed, the gravest")
        lists[name] = [
            _item(name, row, group, store) for row, group in zip(rows[:MOST_ITEMS], groups_of(rows), strict=False)
        ]
    return version, plain(lists), notes  # type: ignore[return-value]


def _item(name: str, row: Mapping[str, Any], group: str, store: Store) -> dict[str, Any]:
    given = end_of(row["lineage"] or "")
    suggested = row.get("suggested") or None
    score = next((row[word] for word in ("confidence", "z", "score") if row.get(word) is not None), None)
    return {
        "list": name, "group": group.partition(":")[0] or None, "image_id": row["image_id"], "uri": row["uri"], "name": given or None,
        "suggested": None if suggested is None else end_of(suggested), "rank": None if suggested is None else _rank_of(row, suggested, store),
        "why": _why(name, row), "score": score,
    }  # fmt: skip


def _rank_of(row: Mapping[str, Any], suggested: str, store: Store) -> str:
    """The rank of the narrowest name that is suggested; names may part above it."""
    if row["part_at"] == LABEL:
        return LABEL
    try:
        return max(store.taxonomy.resolve(suggested), key=lambda taxon: len(taxon.path)).rank
    except TaxonError:
        return str(row["part_at"])


def _why(name: str, row: Mapping[str, Any]) -> str:
    """One sentence.

    >>> _why("outliers", {"lineage": "Aves > Parus major", "z": 4.0, "compared_within": "species"})
    'It is named Parus major and unlike the others of its name: compared with all of its species.'
    """
    given, *doubts = lines_of(row)
    given = given if given.startswith("no ") else f"is {given}"
    given = given.replace("no name given", "has no name")
    if name == "duplicates":
        mixed = ", and pictures of the group are named differently" if row.get("labels_differ") else ""
        return f"It {given} and is {ALIKE[row['kind']]} as others of its group{mixed}."
    how = {"outliers": "unlike the others of its name", "label_errors": "may be something else"}[name]
    return f"It {given} and {how}: {', '.join(doubts)}."


def _decided(said: Mapping[tuple[str, str | None], str], item: Mapping[str, Any]) -> str | None:
    """What was decided of a picture in a list, or of the picture as such."""
    return said.get((item["image_id"], item["list"]), said.get((item["image_id"], None)))
