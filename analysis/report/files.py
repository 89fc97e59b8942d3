"""A report as files: the page, and every number and sentence of it as JSON."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import cladescope
from cladescope.analysis.report.methods import GENERAL
from cladescope.analysis.report.page import methods_used, report_page
from cladescope.analysis.report.result import Report
from cladescope.analysis.report.summary import summary, verdicts
from cladescope.errors import InputError
from cladescope.files import leftovers, replacing, write_json, write_text
from cladescope.outputs import check_out_folder

FORMAT_VERSION = 1
"""Version of report.json."""
PAGE, NUMBERS = "report.html", "report.json"


def check_report_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Raise InputError where a file is in the way, or a report is there already that may not be replaced."""
    # A job that was killed between giving the page its name and the numbers theirs left a draft of the latter.
    was_cut_short = bool(leftovers(folder / NUMBERS))
    names = (NUMBERS,) if was_cut_short else (PAGE, NUMBERS)
    check_out_folder(folder, what="report", names=names, overwrite=overwrite)


def document(report: Report) -> dict[str, Any]:
    """A report as plain values that JSON knows: every number of the page, its sentences, and what the numbers mean."""
    used = methods_used(report)
    return {
        "format_version": FORMAT_VERSION,
        "cladescope": cladescope.__version__,
        "labels": list(report.labels),
        "n_images": report.n_images,
        "n_images_of_stores": list(report.totals),
        "ranks": [asdict(count) for count in report.ranks],
        "settings": report.settings,
        "verdict": verdicts(report),
        "summary": summary(report),
        "probes": [one.to_dict() for one in report.probes],
        "differences": [asdict(difference) for difference in report.differences],
        "maps": [one.to_dict() for one in report.maps],
        "examples": [asdict(one) for one in report.examples],
        "not_measured": list(report.not_measured),
        "methods": {name: asdict(method) for name, method in used.items()},
        "general_notes": GENERAL,
    }


def write_report(report: Report, folder: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write report.html and report.json into a folder, made if it is not there; return what the latter holds.

    Raises InputError where a report is there that may not be replaced, or the folder cannot be written.
    """
    check_report_folder(folder, overwrite=overwrite)
    found = document(report)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / NUMBERS) as numbers:
            write_json(numbers, found)
            write_text(folder / PAGE, report_page(report))
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}: choose another folder") from error
    return found
