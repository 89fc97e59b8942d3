"""`cladescope commit`: the parts that jobs of many machines embedded, put together."""

from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption, StoreArgument
from cladescope.app.cli.output import print_json, print_line, print_table, say


def commit(
    store: StoreArgument,
    remove_parts: Annotated[
        bool, typer.Option("--remove-parts", help="Delete the parts then; else their jobs can go on from them.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Put together what jobs embedded with --shard: the store then has the rows of one uninterrupted job.

    All shards must be there and whole. Done again it changes nothing.

    Example: cladescope commit photos.store
    """
    from cladescope.app.verbs import commit as verb

    found = verb.commit(store, remove_parts=remove_parts)
    if json:
        print_json({"store": str(store), **found.to_dict()})
        return
    for address, done in found.sources.items():
        rows = [
            (f"parts of {address}", done.parts),
            ("pictures in them", done.rows),
            ("added", done.added),
            *([("content changed", done.changed)] if done.changed else []),
            *([("moved", done.moved)] if done.moved else []),
            ("already stored", done.already_stored),
            *([("  of these, labels changed", done.relabelled)] if done.relabelled else []),
            *([("  of these, given further vectors", done.filled)] if done.filled else []),
            *([("gone from the source", done.gone)] if done.gone else []),
            *([("  of these, deleted", done.pruned)] if done.pruned else []),
            *([("refused: their id is another picture's", done.refused)] if done.refused else []),
            ("failed", done.failures),
        ]
        print_table(["", "pictures"], rows)
        print_line(f"{done.seconds:.1f} s, store: {store}")
        if done.failures or done.refused:
            say(f"each failure with its reason: cladescope info {store} --failures")
    for note in found.notes:
        say(note)
