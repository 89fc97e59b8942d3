"""INQUIRE-Rerank as it is published: queries, each with the hundred pictures that are to be put in order, and which of them answer it.

Vendrow et al. 2024, INQUIRE, https://arxiv.org/abs/2411.02537; the data set `evendrow/INQUIRE-Rerank`, `data/test-*.parquet` and
`data/validation-*.parquet` (image, query, relevant, inat24_image_id, inat24_file_name, supercategory), and the table of its first release,
`inquire_rerank.csv` (query, file_name, relevant), which `src/eval_clip_rerank.py` of github.com/inquire-benchmark/INQUIRE reads.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cladescope.analysis.benchmark.file_task import file_task
from cladescope.analysis.benchmark.inquire import ANSWERS, OTHERS
from cladescope.analysis.benchmark.published_table import counted_reasons, picture_folder, published_table
from cladescope.analysis.benchmark.questions import TEST_QUERIES, VALIDATION_QUERIES, Reranking
from cladescope.analysis.benchmark.tasks import Task
from cladescope.embedding.columns import plan_columns
from cladescope.errors import InputError

TABLE = "inquire_rerank.csv"
N_CANDIDATES = 100
_SPLITS = (TEST_QUERIES, VALIDATION_QUERIES)
_PLACES = ("data/{}-*.parquet", "{}-*.parquet", "default/{}/*.parquet")
_NEEDED, _OPTIONAL = ("query", "relevant"), ("supercategory", "inat24_image_id", "inat24_file_name", "file_name")
_PARQUET = ".parquet"
_SAID = {"1": True, "0": False, "1.0": True, "0.0": False, "true": True, "false": False}


def read_inquire_rerank(path: Path, *, images: Path | None = None) -> Task:
    """Candidates of the queries of INQUIRE-Rerank's folder, or of one of its tables; a picture that is one of several queries is one picture.

    A query is known by its text, and its split by the name of its file; a CSV is the test split. Pictures are those in the Parquet files, or, with `images` and for a CSV,
    files below that folder, by `inat24_file_name` or `file_name`, or by all of it but its first folder. Rows without query or
    picture, or that say neither 1 nor 0, rows that come twice, queries with other than a hundred candidates, and those none of whose candidates is
    relevant, which are not asked, are counted. No picture is opened.

    Raises InputError for what is not INQUIRE-Rerank as it is published.
    """
    folder = path.parent if path.is_file() else path
    tables = _tables(path)
    inside = images is None and all(table.suffix == _PARQUET for table in tables)
    root = (
        folder.resolve()
        if inside
        else picture_folder(folder, ("train_rerank", "../inat24/train_rerank"), images=images, of="INQUIRE-Rerank")
    )
    reasons: Counter[str] = Counter()
    texts: dict[tuple[str, str], str] = {}
    uris: dict[str, str] = {}
    pairs: dict[tuple[tuple[str, str], str], bool] = {}
    for table, split in tables.items():
        for row, said in enumerate(_rows(table, needs_picture=inside).to_pylist()):
            name = said["inat24_file_name"] or said["file_name"]
            picture = said["inat24_image_id"] or name or (f"{table}#{row}" if inside else "")
            relevant = _SAID.get(said["relevant"].lower())
            if not said["query"] or not picture or not (inside or name):
                reasons["rows have no query, or no picture"] += 1
            elif relevant is None:
                reasons["rows have a relevance other than 0 and 1"] += 1
            elif ((said["query"], split), picture) in pairs:
                is_same = pairs[(said["query"], split), picture] == relevant
                other = "" if is_same else " with another relevance, and the first counts"
                reasons[f"rows repeat a query and its picture{other}"] += 1
            else:
                texts.setdefault((said["query"], split), said["supercategory"].lower() or "of no kind")
                uris.setdefault(picture, f"{table.resolve()}#row={row}" if inside else _file(root, name))
                pairs[(said["query"], split), picture] = relevant
    if not pairs:
        raise InputError(f"{path} has no query with a candidate: expected rows of query, picture and relevant (0 or 1)")
    return _task(path, root, texts, uris, pairs, reasons)


def _task(
    path: Path,
    root: Path,
    texts: Mapping[tuple[str, str], str],
    uris: Mapping[str, str],
    pairs: Mapping[tuple[tuple[str, str], str], bool],
    reasons: Counter[str],
) -> Task:
    queries, pictures = ({key: place for place, key in enumerate(keys)} for keys in (texts, uris))
    query = np.array([queries[text] for text, _ in pairs], np.int64)
    picture = np.array([pictures[key] for _, key in pairs], np.int64)
    relevant = np.array(list(pairs.values()), bool)
    if not relevant.any():
        raise InputError(f"no candidate of {path} answers its query: expected rows that say 1 as relevant")
    n_candidates = np.bincount(query, minlength=len(texts))
    n_relevant = np.bincount(query[relevant], minlength=len(texts))
    reasons[f"of {len(texts):,} queries have other than {N_CANDIDATES} candidates"] = int(
        (n_candidates != N_CANDIDATES).sum()
    )
    reasons[f"of {len(texts):,} queries have no relevant candidate and are not asked"] = int((n_relevant == 0).sum())
    classes = np.full(len(uris), OTHERS, object)
    classes[picture[relevant]] = ANSWERS
    return file_task(
        list(uris.values()),
        pa.array(classes, pa.string()),
        name=path.stem if path.is_file() else path.resolve().name,
        address=str(path.resolve()),
        left_out=counted_reasons(reasons),
        question=Reranking(
            texts=tuple(text for text, _ in texts),
            kinds=tuple(texts.values()),
            splits=tuple(split for _, split in texts),
            query=query,
            picture=picture,
            relevant=relevant,
        ),
        root=str(root),
    )


def _tables(path: Path) -> dict[Path, str]:
    """The files to read, each with its split."""
    if path.is_file():
        return {path: VALIDATION_QUERIES if path.name.startswith("val") else TEST_QUERIES}
    for place in _PLACES:
        if found := {file: split for split in _SPLITS for file in sorted(path.glob(place.format(split)))}:
            return found
    if (path / TABLE).is_file():
        return {path / TABLE: TEST_QUERIES}
    raise InputError(
        f"{path} holds no data/test-*.parquet, data/validation-*.parquet or {TABLE}: expected the folder of INQUIRE-Rerank as it is published"
    )


def _rows(table: Path, *, needs_picture: bool) -> pa.Table:
    """What each row says, as trimmed texts, "" where it says nothing; its picture is not read."""
    if table.suffix != _PARQUET:
        return published_table(table, _NEEDED, _OPTIONAL)
    try:
        schema = pq.read_schema(table)
        missing = [column for column in _NEEDED if column not in schema.names]
        if not missing and needs_picture and plan_columns(schema, needs_picture=False).picture is None:
            missing = ["image"]
        if missing:
            raise InputError(
                f"{table} has no column {missing[0]!r} (it has {', '.join(map(repr, schema.names[:12]))}): expected the file as it is "
                "published, with image, query, relevant; or give the folder of the pictures (images)"
            )
        there = [column for column in (*_NEEDED, *_OPTIONAL) if column in schema.names]
        found = pq.read_table(table, columns=there)
    except pa.ArrowException as error:
        raise InputError(f"{table} cannot be read as Parquet ({error}): copy it anew") from error
    none = pa.array([""] * found.num_rows, pa.string())
    columns = {
        name: pc.utf8_trim_whitespace(found[name].cast(pa.string()).fill_null("")) if name in there else none
        for name in (*_NEEDED, *_OPTIONAL)
    }
    return pa.table(columns)


def _file(root: Path, name: str) -> str:
    """Where a picture lies below a folder: by its published path, or by all of it but its first folder where that file is there."""
    shorter = root / name.partition("/")[2]
    return str(shorter if not (root / name).is_file() and shorter.is_file() else root / name)
