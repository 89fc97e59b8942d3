"""What `embed` opens before it starts: the source, its address, the store, or a part of it for one shard, and the encoder."""

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from cladescope.app.verbs.encoders import AnyEncoder, Target, target_of
from cladescope.app.verbs.given import AnyStore, is_there, opened, pictures_of
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.folder_labels import FolderLabels
from cladescope.embedding.given import AnyPicture, GivenSource
from cladescope.embedding.known_taxa import BackboneTaxa, ListedTaxa
from cladescope.embedding.locations import canonical
from cladescope.embedding.records import Source
from cladescope.embedding.shards import Shard
from cladescope.embedding.sources import open_source
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError
from cladescope.index.parts import check_division, check_source, place_of
from cladescope.index.remote import folder_of
from cladescope.index.store import Store
from cladescope.taxonomy.backbone import Backbone

AnySource = str | Path | Source | AnyPicture | Sequence[AnyPicture]


def source_of(
    source: AnySource,
    allow: Sequence[str],
    rules: TableRules,
    *,
    by_content: bool,
    labels_from: str | None,
    before: str | None = None,
) -> tuple[Source, str]:
    """The source that is meant, and its address for the store's ledger.

    `before` is the rule by which the last job read labels from the names of this folder: it holds unless another is given, which is said.
    """
    if isinstance(source, str | Path):
        found = open_source(source, allowed=allow, rules=rules, by_content=by_content, labels_from=labels_from)
        labels = rule_of(found)
        if labels is not None and before not in (None, labels.rule):
            if labels_from is None:
                found = open_source(source, allowed=allow, rules=rules, by_content=by_content, labels_from=before)
                remark = f"labels are read as by the last job on this folder: by {before} (for the usual rule, labels from folder)"
            else:
                remark = f"labels are read by {labels_from}, and the last job on this folder read them by {before}"
            if (now := rule_of(found)) is not None:
                now.remark = remark
        return found, str(source)
    if labels_from is not None:
        raise InputError("labels are read from the names of a folder that is named: leave labels_from out")
    if isinstance(source, Source):
        return source, source.name
    pictures = pictures_of(source)
    return GivenSource(pictures), f"{len(pictures)} pictures at hand"


def rule_of(source: Source) -> FolderLabels | None:
    """What reads labels from the names of a source's folders; None for a source that says its labels itself."""
    labels = getattr(source, "labels", None)
    return labels if isinstance(labels, FolderLabels) else None


def rule_said(source: Source) -> str | None:
    """By which rule labels are read from the names of a source's folders; None where they are not."""
    labels = rule_of(source)
    return None if labels is None else labels.rule


def rule_before(store: AnyStore, address: str | None) -> str | None:
    """By which rule the last job that filled a store read labels from the names of folders at an address; None where none did."""
    if address is None or (isinstance(store, str | PathLike) and not is_there(store)):
        return None
    runs = opened(store).runs.select(["verb", "started", "manifest"]).sort_by([("started", "descending")])
    for run in runs.to_pylist():
        settings = json.loads(run["manifest"] or "{}").get("settings", {}) if run["verb"] == "embed" else {}
        if settings.get("address") == address:
            rule = settings.get("labels_from")
            return None if rule is None else str(rule)
    return None


def look_names_up(source: Source, encoder: Encoder, backbone: Backbone | None) -> None:
    """Let the names of a source's folders be looked up in a backbone, else among the taxa that the encoder was trained on."""
    if (labels := rule_of(source)) is not None:
        if backbone is not None:
            labels.known = BackboneTaxa(backbone)
        elif encoder.taxa_file is not None:
            labels.known = ListedTaxa.read(encoder.taxa_file, said=f"the taxa of {encoder.card.name}")


def address_of(source: AnySource) -> str | None:
    """What a source is known by from run to run, wherever the job is started; None for what has no place."""
    return canonical(str(source)) if isinstance(source, str | Path) else None


def part_of(
    store: AnyStore, address: str | None, shard: Shard, encoder: AnyEncoder | None, by: Mapping[str, Any]
) -> Target:
    """The part of a store for one shard of a source, made where there is none, and the encoders: those asked for, by default all of the whole store.

    Raises InputError for a source without an address, StoreError where the store is another encoder's or has parts of another number of shards.
    """
    if address is None:
        raise InputError("a shard is one of a source with an address, as a folder or a table has: these have none")
    path = store.path if isinstance(store, Store) else folder_of(store)
    check_division(path, address, shard)
    whole = _there(store)
    if whole is not None:  # before a part is made that the store would not take
        target = target_of(whole, encoder, by)
        encoder = [target.own, *target.others.values()]
    part = target_of(place_of(path, address, shard), encoder, by)
    check_source(part.store, address)
    return part


def part_place(store: str | PathLike[str], source: str, shard: str) -> str:
    """Where the part of a store for a shard of a source lies."""
    return place_of(folder_of(store), canonical(source), Shard.parse(shard))


def _there(store: AnyStore) -> Store | None:
    """The store, if it is there."""
    if isinstance(store, Store):
        return store
    return Store.open(store) if (folder_of(store) / "store.json").exists() else None
