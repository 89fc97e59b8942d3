"""`cladescope predict`: what is it?"""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cladescope.app.cli.options import CsvOption, JsonOption, SafeCsvOption
from cladescope.app.cli.output import CsvTable, json_text, print_line, say
from cladescope.embedding.encoder import DEFAULT_ENCODER, Encoder, EncoderCard
from cladescope.embedding.pipeline import EmbedConfig
from cladescope.embedding.records import Record
from cladescope.errors import EncoderError, InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from cladescope.analysis.classify.answers import Answer, Answers
    from cladescope.analysis.classify.back_off import BackOff
    from cladescope.analysis.classify.class_gallery import Classes, ClassGallery
    from cladescope.embedding.encoder import Precision
    from cladescope.index.store import Store

Named = tuple[list[str], "np.ndarray"]
"""Names of some pictures, and their vectors."""
LONG = 10_000
"""Classes from which on their making is told."""
LISTED = 5
"""Broken pictures and unknown names that are told one by one."""


def predict(
    pictures: Annotated[
        list[str],
        typer.Argument(metavar="STORE | IMAGE...", help="A store, or pictures, folders, quoted globs and URLs."),
    ],
    rank: Annotated[str, typer.Option(help="Rank of the answers.")] = "species",
    taxa: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Taxa to choose from: CSV, Parquet or JSON with ranks, or TreeOfLife's txt_emb_species.json.",
            show_default="those of the store, else of the encoder",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Labels to choose from: one a line, a CSV with label and bin, or taxa by rank."
        ),
    ] = None,
    within: Annotated[str | None, typer.Option(metavar="TAXON", help="Only this clade.")] = None,
    classifier: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A classifier of `cladescope fit`, in place of texts.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Answers for each picture.")] = 5,
    risk: Annotated[
        float | None,
        typer.Option(help="One answer, as deep as the chance of a wrong one stays under this share, such as 0.1."),
    ] = None,
    calibrate_on: Annotated[
        Path | None,
        typer.Option(
            metavar="STORE", help="Labelled pictures that decide how sure is sure; the classifier may have its own."
        ),
    ] = None,
    closed_set: Annotated[
        bool, typer.Option("--closed-set", help="With --risk: every picture is of one of the taxa, so answer deeper.")
    ] = False,
    prior: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Columns taxon and weight: odds beforehand; `*` is the rest, else 1."),
    ] = None,
    text_type: Annotated[
        str, typer.Option(help="Text of a taxon: sci, com, taxon, sci_com or taxon_com.")
    ] = "taxon_com",
    templates: Annotated[
        bool, typer.Option("--templates", help="Tell each taxon in 81 sentences in place of one: slower to make.")
    ] = False,
    where: Annotated[str | None, typer.Option(metavar="SQL", help="Only a store's rows under this condition.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many pictures.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Encoder of the pictures.", show_default=f"the store's, else {DEFAULT_ENCODER}")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where class vectors are kept.", show_default="~/.cache/cladescope/class-vectors"
        ),
    ] = None,
    csv: CsvOption = False,
    safe_csv: SafeCsvOption = False,
    json: JsonOption = False,
) -> None:
    """Name what is on pictures, or on those of a store without encoding them again.

    Example: cladescope predict photos/ --taxa taxa.csv --rank family --csv
    """
    from cladescope.analysis.classify.answers import Answers, columns
    from cladescope.index.store import Store

    csv = csv or safe_csv
    if json and csv:
        raise typer.BadParameter("give one of --json and --csv")
    if sum(value is not None for value in (taxa, labels, classifier)) > 1:
        raise typer.BadParameter("give one of --taxa, --labels and --classifier")
    if classifier is not None and (within or prior):
        raise typer.BadParameter("--within and --prior are for classes told by texts: leave out --classifier")
    if closed_set and risk is None:
        raise typer.BadParameter("--closed-set is of --risk")
    columns(rank)
    store = Store.open(pictures[0]) if len(pictures) == 1 and _is_store(pictures[0]) else None
    if store is None and where is not None:
        raise typer.BadParameter("--where is for a store")
    loaded = None if store else Encoder.load(encoder or DEFAULT_ENCODER, precision=_precision(classifier))
    if store is not None and encoder is not None:
        store.check(Encoder.load(encoder, precision=store.card.precision or "auto").card)
    bins = None
    if classifier is not None:
        classes, back_off = _fitted(classifier, store.card if store else _card(loaded))
    else:
        back_off = None
        classes, bins = _told(loaded, store, taxa, labels, within, prior, text_type, templates, cache)
    if risk is not None and calibrate_on is not None:
        back_off = _calibrated(classes, Store.open(calibrate_on), store.card if store else _card(loaded))
    if risk is not None and back_off is None:
        raise InputError("--risk needs labelled pictures that decide how sure is sure: give --calibrate-on STORE")
    if back_off is not None and closed_set:
        back_off = back_off.closed_set()
    answers = Answers(classes, rank=rank, k=k, bins=bins, back_off=back_off, risk=risk)
    failures: list[str] = []
    if store is not None:
        blocks = _stored(store, where, limit, answers)
    else:
        assert loaded is not None
        blocks = _encoded(loaded, pictures, limit, failures, answers)
    written = _write(blocks, answers, failures, csv=csv, safe_csv=safe_csv, json=json)
    for line in failures[:LISTED]:
        say(f"left out: {line}")
    if failures:
        say(f"{len(failures)} pictures could not be read; {written} were named")
    if not written:
        raise InputError("no picture was named: widen the selection, or name pictures that can be read")


def _is_store(place: str) -> bool:
    return (Path(place) / "store.json").is_file() or place.rstrip("/").endswith(".store")


def _card(encoder: Encoder | None) -> EncoderCard:
    assert encoder is not None
    return encoder.card


def _told(
    loaded: Encoder | None,
    store: "Store | None",
    taxa: Path | None,
    labels: Path | None,
    within: str | None,
    prior: Path | None,
    text_type: str,
    templates: bool,
    cache: Path | None,
) -> "tuple[Classes, tuple[str, ...] | None]":
    """Classes from texts, and the labels' bins; the encoder is the one loaded, else the store's."""
    from dataclasses import replace

    from cladescope.analysis.classify import taxon_lists, zero_shot
    from cladescope.analysis.classify.precomputed import is_precomputed

    if taxa is not None and is_precomputed(taxa):
        gallery, table = _precomputed(loaded, store, taxa, within)
    else:
        encoder = store.encoder if store is not None else loaded
        assert encoder is not None
        if labels is not None:
            found = taxon_lists.read_labels(labels)
            if isinstance(found, taxon_lists.LabelList):
                if within or prior:
                    raise InputError("--within and --prior are for taxa: give --taxa, or labels with columns for ranks")
                return zero_shot.label_gallery(encoder, found.labels), found.bins
            table = found
        elif taxa is not None:
            table = taxon_lists.read_taxa(taxa)
        elif store is not None:
            table = taxon_lists.store_taxa(store)
        elif encoder.taxa_file is not None:
            table = taxon_lists.read_taxa(encoder.taxa_file)
            say(
                f"choosing among the {table.num_rows:,} taxa that {encoder.card.name} was trained on; --taxa names others"
            )
        else:
            raise InputError("nothing says what to choose from: give --taxa FILE, --labels FILE or --classifier FILE")
        if within is not None:
            table = table.filter(taxon_lists.within(table, within))
        gallery = zero_shot.taxon_gallery(
            encoder,
            table,
            text_type=text_type,
            templates=templates,
            cache=cache or zero_shot.default_cache(),
            progress=_tell,
        )
    if prior is not None:
        log_prior, unknown = taxon_lists.read_prior(prior, table)
        if unknown:
            say(f"{len(unknown)} names of {prior} are unknown or ambiguous here: {', '.join(unknown[:LISTED])}")
        gallery = replace(gallery, log_prior=log_prior)
    return gallery, None


def _precomputed(
    loaded: Encoder | None, store: "Store | None", taxa: Path, within: str | None
) -> "tuple[ClassGallery, pa.Table]":
    """Classes whose texts were encoded elsewhere, and their names. For a store's vectors no encoder is needed then."""
    from cladescope.analysis.classify import taxon_lists
    from cladescope.analysis.classify.precomputed import read_precomputed
    from cladescope.analysis.classify.zero_shot import gallery_of
    from cladescope.embedding.text_scale import stored_text_scale

    scale = None if store is None else stored_text_scale(store.card)
    if scale is None:
        encoder = store.encoder if store is not None else loaded
        assert encoder is not None
        scale = encoder.text_scale
    dim = store.card.dim if store is not None else _card(loaded).dim
    ready = read_precomputed(taxa, dim=dim)
    if ready.n_empty:
        say(f"{ready.n_empty:,} taxa of {taxa} have no vector and are left out")
    if within is not None:
        ready = ready.only(taxon_lists.within(ready.table, within))
    return gallery_of(ready.vectors, ready.table, scale), ready.table


def _tell(done: int, total: int) -> None:
    if total > LONG:
        say(f"class vectors {done:,} of {total:,}")


def _precision(classifier: Path | None) -> "Precision":
    """The type of weights whose vectors a classifier was fitted to."""
    from cladescope.analysis.classify.classifier_file import load_classifier

    return "auto" if classifier is None else load_classifier(classifier).card.precision or "auto"


def _fitted(path: Path, card: EncoderCard) -> "tuple[Classes, BackOff | None]":
    """The classifier of a file, and where its answers may stop."""
    from cladescope.analysis.classify.classifier_file import load_classifier

    found = load_classifier(path)
    found.check(card)
    return found.classes, found.back_off


def _calibrated(classes: "Classes", store: "Store", card: EncoderCard) -> "BackOff":
    """Where answers stop, from a store's labelled pictures, block by block."""
    from cladescope.analysis.classify.back_off import calibrated
    from cladescope.analysis.classify.class_gallery import block_rows
    from cladescope.taxonomy.taxon import RANKS, Taxon

    store.check(card)
    tree = classes.tree
    if tree is None:
        raise InputError("--risk needs classes that are taxa: give --taxa, or labels with columns for ranks")

    def asked() -> "Iterator[tuple[np.ndarray, list[Taxon]]]":
        for batch in store.scan([*RANKS, "vector"], block_rows=min(1024, block_rows(classes))):
            truth = [Taxon.from_ranks(row) for row in batch.select(list(RANKS)).to_pylist()]
            known = [row for row, taxon in enumerate(truth) if taxon is not None]
            if known:
                vectors = _vectors(batch, store.card.dim)[known]
                yield classes.probabilities(vectors), [taxon for taxon in truth if taxon is not None]

    return calibrated(tree, asked())


def _vectors(batch: "pa.RecordBatch", dim: int) -> "np.ndarray":
    found: np.ndarray = batch.column("vector").flatten().to_numpy(zero_copy_only=False).reshape(-1, dim)
    return found


def _stored(store: "Store", where: str | None, limit: int | None, answers: "Answers") -> Iterator[Named]:
    left, rows = limit, answers.block_rows
    for batch in store.scan(["uri", "vector"], condition=store.condition(where=where), block_rows=rows):
        part = batch if left is None else batch.slice(0, left)
        for start in range(0, part.num_rows, rows):
            piece = part.slice(start, rows)
            yield piece.column("uri").to_pylist(), _vectors(piece, store.card.dim)
        if left is not None and (left := left - part.num_rows) <= 0:
            return


def _encoded(
    encoder: Encoder, places: list[str], limit: int | None, failures: list[str], answers: "Answers"
) -> Iterator[Named]:
    """Pictures encoded batch by batch; those that cannot be read are noted."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from cladescope.embedding.prepare import Failure, prepare
    from cladescope.embedding.sources import open_source
    from cladescope.embedding.sources.folder import FileSource

    config = EmbedConfig()

    def all_records() -> Iterator[tuple[str, Record]]:
        for place in places:
            try:
                source = open_source(place)
            except InputError as error:
                if len(places) == 1:
                    raise
                failures.append(str(error))
                continue
            given = place if isinstance(source, FileSource) else None
            for record in source.records():
                yield given or record.uri, record

    records = islice(all_records(), limit)
    with ThreadPoolExecutor(config.workers) as pool:
        while batch := list(islice(records, config.batch_size)):
            names, pixels = [], []
            readable = [(name, record) for name, record in batch if record.problem is None]
            failures += [f"{name}: {record.problem}" for name, record in batch if record.problem is not None]
            done = pool.map(lambda record: prepare(record, encoder.transform), [record for _, record in readable])
            for (name, _), item in zip(readable, done, strict=True):
                if isinstance(item, Failure):
                    failures.append(f"{name}: {item.reason}")
                else:
                    names.append(name)
                    pixels.append(item.pixels)
            if not names:
                continue
            vectors = encoder.encode_pixels(np.stack(pixels))
            if not np.isfinite(vectors).all():
                raise EncoderError(f"encoder {encoder.card.name!r} gave vectors that are not finite: check its weights")
            rows = answers.block_rows
            for start in range(0, len(names), rows):
                yield names[start : start + rows], vectors[start : start + rows]


def _write(
    blocks: Iterator[Named], answers: "Answers", failures: list[str], *, csv: bool, safe_csv: bool, json: bool
) -> int:
    """Print answers as they come; the number of pictures."""
    written = 0
    table: CsvTable | None = None
    for names, vectors in blocks:
        for name, found in zip(names, answers.of(vectors), strict=True):
            if csv:
                table = table or CsvTable(["file_name", *answers.columns], safe=safe_csv)
                table.add({"file_name": name, **row} for row in found)
            elif json:
                document = json_text({"file_name": name, "answers": found})
                sys.stdout.write(('{"predictions": [\n' if not written else ",\n") + document)
            else:
                _show(name, found)
            written += 1
    if json and written:
        sys.stdout.write(f'\n], "failures": {json_text(failures)}}}\n')
    return written


def _show(name: str, found: "list[Answer]") -> None:
    """A picture's answers as lines: score and name."""
    print_line(name.removeprefix(f"{Path.cwd()}/"))
    for row in found:
        values = [
            value
            for column, value in row.items()
            if column not in ("score", "common_name", "species_epithet") and value
        ]
        common = f" ({row['common_name']})" if row.get("common_name") else ""
        print_line(f"  {row['score']:.4f}  {values[-1] if values else 'not known'}{common}")
