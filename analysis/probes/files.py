"""Probes as files: a report of each store, the paired differences, and the curve along checkpoints."""

from dataclasses import asdict
from pathlib import Path

from cladescope.analysis.figure_files import save_figure
from cladescope.analysis.probes.stores import ProbedStores
from cladescope.analysis.probes.training_curve import draw_training_curve
from cladescope.errors import InputError
from cladescope.files import write_json

CURVE_KINDS = ("svg", "png")
FILES = ("probes.json", "probes-*.json", "differences.json", *(f"curve.{kind}" for kind in CURVE_KINDS))
"""What probes may leave in a folder."""


def write_probes(probed: ProbedStores, folder: Path, *, curve: bool = False) -> list[Path]:
    """Write probes.json of the first store, probes-2.json and so on of the others, and differences.json where there are any.

    With `curve` also curve.svg and .png: the stores as checkpoints of one run, in the order given, named by their folders.
    Files of earlier probes that are not written anew are removed.

    Raises InputError for a curve of one store or of stores that share no probe, and where the folder cannot be written.
    """
    reports = probed.reports
    figure = draw_training_curve(reports, [Path(one.store).stem for one in reports]) if curve else None
    written = [folder / ("probes.json" if not place else f"probes-{place + 1}.json") for place in range(len(reports))]
    try:
        for report, path in zip(reports, written, strict=True):
            report.write(path)
        if probed.differences:
            written.append(folder / "differences.json")
            write_json(written[-1], {"differences": [asdict(difference) for difference in probed.differences]})
        if figure is not None:
            written += save_figure(figure, folder, "curve", kinds=CURVE_KINDS)
        for stale in {path for name in FILES for path in folder.glob(name)} - set(written):
            stale.unlink()
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}: choose another folder") from error
    return written
