"""`cladescope demo`: an example of all steps on simulated organisms, offline."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption
from cladescope.app.cli.output import print_json, print_line, print_table, say


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("demo"),
    json: JsonOption = False,
) -> None:
    """Simulate organisms, embed, index and search them, and draw the result as a contact sheet.

    Example: cladescope demo --out demo/
    """
    from cladescope.app.verbs import demo as verb

    result = verb.demo(out, workers=os.cpu_count() or 1, say=say)
    if json:
        print_json(
            {
                "pictures": str(result.pictures),
                "store": str(result.store),
                "sheet": str(result.sheet),
                "images": result.n_images,
                "agreement": result.agreement,
                "seconds": round(result.seconds, 1),
                **result.answer.to_dict(),
            }
        )
        return
    hits = [(hit.position, hit.score, str(hit.taxon.name if hit.taxon else "")) for hit in result.answer.hits]
    print_table(["", "score", "species"], hits)
    agreed = result.answer.consensus
    print_line(f"consensus: {agreed.taxon} ({agreed.share:.2f} of the score)")
    shares = ", ".join(f"{rank} {share:.2f}" for rank, share in result.agreement.items())
    print_line(f"nearest other picture is of the same: {shares}")
    print_line(f"{result.n_images:,} pictures in {result.seconds:.0f} s; contact sheet: {result.sheet}")
    print_line("next, with your own: cladescope embed PHOTOS/ --store photos.store")
