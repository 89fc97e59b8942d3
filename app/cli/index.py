"""`cladescope index`: build an index, so that a large store is searched fast."""

from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption, StoreArgument, VectorsOption
from cladescope.app.cli.output import print_json, print_line, say
from cladescope.index.defaults import AUTO, AUTO_MIN_ROWS, COMPARE, TARGET_RECALL


def index(
    store: StoreArgument,
    kind: Annotated[
        str,
        typer.Option(
            help=f"auto (flat below {AUTO_MIN_ROWS:,} pictures, else hnsw if it meets the target), {COMPARE} (all are measured), flat, hnsw, hnsw-sq8, ivf-flat, ivf-pq, ivf-rabitq, "
            "a FAISS factory string such as IVF1024,PQ48x4fs, or none: the index is removed."
        ),
    ] = AUTO,
    target_recall: Annotated[
        float,
        typer.Option(help="Share of the exact 10 nearest that must be found for every kind of query; it is measured."),
    ] = TARGET_RECALL,
    max_memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="The most that the index may take, vectors and all, such as 2GB."),
    ] = None,
    max_minutes: Annotated[float | None, typer.Option(help="The most that building it may take.")] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Add what the store took in since the index was built, and build nothing.")
    ] = False,
    vectors: VectorsOption = None,
    json: JsonOption = False,
) -> None:
    """Build an index for fast search, and measure how often it finds what exact search finds.

    Example: cladescope index photos.store --target-recall 0.99
    """
    if not 0 < target_recall <= 1:
        raise typer.BadParameter(f"--target-recall is {target_recall}: it must lie in 0 to 1, for instance 0.95")
    from cladescope.app.verbs import build_index as verb
    from cladescope.app.verbs.build_index import asked_limits
    from cladescope.app.verbs.given import opened
    from cladescope.index.ann.files import folder
    from cladescope.index.ann.page import page

    asked_limits(kind, target_recall, max_memory, max_minutes)
    held = opened(store, vectors=vectors)
    had_index = folder(held.path, held.vectors_name).exists()
    card = verb.build_index(
        held, kind=kind, target_recall=target_recall, max_memory=max_memory, max_minutes=max_minutes, refresh=refresh
    )
    if card is None:
        n = held.count()
        if json:
            print_json({"store": str(store), "kind": "none", "n_vectors": n})
        else:
            gone = "; the earlier index was removed" if had_index else ""
            print_line(f"no index: every search over the {n:,} pictures is exact{gone}")
        return
    if json:
        print_json({"store": str(store), **card.to_dict()})
    else:
        for line in page(card).rstrip().split("\n"):
            print_line(line)
    if not card.target_met:
        say(
            f"the target of {target_recall} was NOT met for {', '.join(card.failing)}: ask for less, or use --kind flat"
        )
