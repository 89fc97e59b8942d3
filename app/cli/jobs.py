"""How a job that fills a store runs and ends on the command line: watched, its summary printed, and nothing gained a failure."""

import threading
from collections.abc import Callable
from pathlib import Path

import typer

from cladescope.app.cli.output import print_json, print_line, print_table, say
from cladescope.app.cli.profile import show_profile
from cladescope.app.cli.signals import stop_on_signals
from cladescope.app.cli.statuses import AGAIN, FAILED
from cladescope.app.cli.watch import Watch, watched
from cladescope.embedding.pipeline import EmbedSummary, Progress
from cladescope.embedding.records import ignored_said
from cladescope.shown import counted

SHOWN_REASONS = 10


Job = Callable[[Callable[[Progress], None], threading.Event], EmbedSummary]
"""A job that tells its progress and ends when it is asked to."""


def run_job(job: Job, watch: Watch, store: Path | str, *, done: str, json: bool, profile: bool = False) -> None:
    """Run a job under the eyes of `watch` and print what it did; `done` says what became of a picture.

    With `profile` also how busy its stages were.
    """
    with watched(watch):
        with watch.told(done) as progress, stop_on_signals() as stop:
            watch.summary = job(progress, stop)
        if profile:
            show_profile(watch.summary)
        conclude(watch.summary, store, source=watch.source, done=done, json=json)


def conclude(summary: EmbedSummary, store: Path | str, *, source: str, done: str, json: bool) -> None:
    """Print what a job did, and exit with `AGAIN` if it was stopped, with `FAILED` if nothing came of it."""
    if json:
        from cladescope.app.verbs.given import is_there
        from cladescope.index.store import Store

        held = Store.open(store) if is_there(store) else None  # shards that were stopped have parts, and no store yet
        about = {"encoder": held and held.card.name, "vectors": list(held.named) if held else []}
        print_json({"store": str(store), **about, "source": source, **summary.to_dict()})
    else:
        show(summary, str(store), done=done)
    if summary.stopped:
        say(f"stopped after {counted(summary.records, 'record')}, nothing is lost: run the same command to go on")
        raise typer.Exit(AGAIN)
    if summary.failed and not summary.embedded and not summary.already_stored:
        say(
            f"error: none of {counted(summary.records, 'record')} could be used: see `cladescope info {store} --failures`"
        )
        raise typer.Exit(FAILED)


def show(summary: EmbedSummary, store: str, *, done: str) -> None:
    """A summary as a table for people."""
    counts = summary.to_dict()
    reasons = list(counts["failures"].items())
    others = reasons[SHOWN_REASONS:]
    rows = [
        ("records of the source", counts["records"]),
        (done, counts["embedded"]),
        *([("  of these, their content changed", counts["changed"])] if counts["changed"] else []),
        *([("  of these, content known", counts["reused"])] if counts["reused"] else []),
        *([("  of these, boxes cut at the edge", counts["cut"])] if counts["cut"] else []),
        *([("  of these, a name respelt", counts["respelt"])] if counts["respelt"] else []),
        *((f"  of these, {what}", n) for what, n in counts["names"].items()),
        *([("moved or renamed", counts["moved"])] if counts["moved"] else []),
        ("already stored", counts["already_stored"]),
        *([("  of these, labels changed", counts["relabelled"])] if counts["relabelled"] else []),
        *([("  of these, at URLs and not compared", counts["unchecked"])] if counts["unchecked"] else []),
        *([("  of these, not to be had now", counts["unreachable"])] if counts["unreachable"] else []),
        *([("of these and others, given further vectors", counts["filled"])] if counts["filled"] else []),
        *((f"  not to be given them: {reason}", n) for reason, n in counts["unfilled"].items()),
        *([("gone from the source", counts["gone"])] if counts["gone"] else []),
        *([("  of these, deleted", counts["pruned"])] if counts["pruned"] else []),
        ("failed", counts["failed"]),
        *((f"  {reason}", n) for reason, n in reasons[:SHOWN_REASONS]),
        *([("  other reasons", sum(n for _, n in others))] if others else []),
    ]
    print_table(["", "pictures"], rows)
    print_line(f"{counts['seconds']:.1f} s, {counts['pictures_per_second']:.0f} pictures a second, store: {store}")
    if counts["missing"]:
        often = ", ".join(f"{word} {n}" for word, n in counts["missing"].items())
        print_line(f"missing {sum(counts['missing'].values())}: {often}")
    if counts["tags"]:
        print_line("written into the files: " + ", ".join(f"{column} {n:,}" for column, n in counts["tags"].items()))
    if counts["tag_problems"]:
        print_line("of what is written: " + ", ".join(f"{words} {n:,}" for words, n in counts["tag_problems"].items()))
    if counts["left_out"]:
        print_line("left out: " + ", ".join(f"{words} {n:,}" for words, n in counts["left_out"].items()))
    if summary.contradictions:
        print_line(f"lineages that contradict others: {counted(summary.contradictions.total(), 'record')}")
        for words, n in summary.contradictions.most_common(SHOWN_REASONS):
            say(f"contradiction, {counted(n, 'record')}: {words}")
    for rule, n in counts["paths"].items():
        print_line(f"{rule}: {n:,} paths")
    if counts["ignored"]:
        print_line(ignored_said(counts["ignored"]))
    for column, name in counts["renamed"].items():
        say(f"column {column!r} of the source is kept as {name!r}")
    for note in summary.notes:
        say(note)
    if summary.unchecked:
        say("whether pictures at URLs changed there is not known: embed --check-remote fetches and compares them")
    if summary.gone:
        for uri in summary.gone_uris:
            say(f"gone: {uri}")
        if summary.gone > summary.pruned:
            say(f"rows of what is gone stay: embed --prune deletes them, `cladescope info {store} --gone` lists them")
    if summary.failed:
        say(f"each failure with its reason: cladescope info {store} --failures")
