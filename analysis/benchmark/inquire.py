"""INQUIRE as it is published: queries, the pictures that answer them, and a gallery of iNaturalist 2024 to search in.

Vendrow et al. 2024, INQUIRE, https://arxiv.org/abs/2411.02537; columns as `data/README.md` of github.com/inquire-benchmark/INQUIRE
describes them: `inquire_queries_test.csv` and `_val.csv` (query_id, query_text, supercategory, category, iconic_group),
`inquire_annotations.csv` (query_id, image_id, image_path), each row of which is a picture that answers the query.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from cladescope.analysis.benchmark.file_task import file_task
from cladescope.analysis.benchmark.published_table import counted_reasons, published_table
from cladescope.analysis.benchmark.questions import Queries
from cladescope.analysis.benchmark.tasks import Task
from cladescope.embedding.sources.folder import FolderSource
from cladescope.errors import InputError

ANNOTATIONS = "inquire_annotations.csv"
QUERIES = ("inquire_queries_test.csv", "inquire_queries_val.csv", "inquire_queries.csv")
ANSWERS, OTHERS = "answers a query", "answers none"


def read_inquire(path: Path, *, images: Path | None = None, gallery: Sequence[str] | None = None) -> Task:
    """The queries of INQUIRE's folder, or of one of its tables of queries, asked of the pictures below `images`, or of `gallery`.

    `gallery` are addresses, of a store. A published path is that of a picture whose address ends in it, else in all of it but its first
    folder. Answers that are not in the gallery are counted, and so are queries that have none there: these are not asked. No picture
    is opened.

    Raises InputError for what is not INQUIRE as it is published, no pictures, and a gallery in which no query has an answer.
    """
    folder = path.parent if path.is_file() else path
    tables = [path] if path.is_file() else [folder / name for name in QUERIES if (folder / name).is_file()]
    if not tables or not (folder / ANNOTATIONS).is_file():
        raise InputError(
            f"{path} holds no {QUERIES[0]} with {ANNOTATIONS}: expected the folder of INQUIRE as it is published"
        )
    asked = [
        row
        for table in tables
        for row in published_table(table, ("query_id", "query_text"), ("supercategory",)).to_pylist()
    ]
    asked = list({row["query_id"]: row for row in asked if row["query_text"]}.values())
    place = {row["query_id"]: number for number, row in enumerate(asked)}
    pairs = published_table(folder / ANNOTATIONS, ("query_id", "image_path")).to_pylist()
    wanted = [(place[row["query_id"]], row["image_path"]) for row in pairs if row["query_id"] in place]
    wanted = list(dict.fromkeys(wanted))
    uris, root = _gallery(folder, images, gallery)
    row_of = _rows_by_tail(uris, {picture for _, picture in wanted})
    found = [(query, row_of[picture]) for query, picture in wanted if picture in row_of]
    if not found:
        raise InputError(
            f"none of the {len(wanted)} published answers is among {len(uris)} pictures: their addresses end in no published path, "
            f"such as {wanted[0][1] if wanted else 'none'!r}"
        )
    query, picture = (np.array(column, np.int64) for column in zip(*found, strict=True))
    n_published = np.bincount([number for number, _ in wanted], minlength=len(asked))
    answered = np.bincount(query, minlength=len(asked)) > 0
    reasons = Counter(
        {
            f"of {len(wanted):,} published answers are not in the gallery": len(wanted) - len(found),
            f"of {len(asked):,} queries have no answer in the gallery and are not asked": int((~answered).sum()),
        }
    )
    classes = np.full(len(uris), OTHERS, object)
    classes[picture] = ANSWERS
    return file_task(
        uris,
        pa.array(classes, pa.string()),
        name=path.stem if path.is_file() else folder.resolve().name,
        address=str(path.resolve()),
        left_out=counted_reasons(reasons),
        question=Queries(
            texts=tuple(row["query_text"] for row in asked),
            kinds=tuple(row["supercategory"].lower() or "of no kind" for row in asked),
            query=query,
            picture=picture,
            n_published=n_published,
        ),
        root=root,
    )


def _gallery(folder: Path, images: Path | None, gallery: Sequence[str] | None) -> tuple[list[str], str]:
    """Addresses of the pictures to search in, and where they lie."""
    if gallery is not None:
        return list(gallery), ""
    below = next((one for one in (folder.parent / "inat24", folder / "inat24") if one.is_dir()), None)
    root = images if images is not None else below
    if root is None or not root.is_dir():
        raise InputError(
            f"no pictures to search in: {root or f'{folder} has no inat24 beside it'}; give their folder (images), or a store of them (store)"
        )
    return [record.uri for record in FolderSource(str(root.resolve()), name=root.name).records()], str(root.resolve())


def _rows_by_tail(uris: Sequence[str], wanted: set[str]) -> dict[str, int]:
    """The row of each published path that one address ends in, in all of it or in all but its first folder; paths of several are left out."""
    tails: dict[str, str] = {}
    for path in wanted:
        tails.setdefault(path, path)
        tails.setdefault(path.partition("/")[2], path)
    depths = {tail.count("/") + 1 for tail in tails if tail}
    rows: dict[str, set[int]] = {}
    for row, uri in enumerate(uris):
        parts = uri.split("/")
        for depth in depths:
            if (published := tails.get("/".join(parts[-depth:]))) is not None:
                rows.setdefault(published, set()).add(row)
    return {path: next(iter(those)) for path, those in rows.items() if len(those) == 1}
