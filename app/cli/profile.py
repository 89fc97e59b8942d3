"""How busy the stages of a job were, as a table on stderr with a sentence below it."""

from cladescope.app.cli.output import say
from cladescope.embedding.summary import EmbedSummary

COLUMNS = ("stage", "done", "at a time", "a second", "at work", "starved", "blocked")


def show_profile(summary: EmbedSummary) -> None:
    """A line a stage: what it did, at what rate while at work, for what share of the time, and how long a place of it waited for others, on average."""
    rows = [
        (
            one.stage,
            f"{one.n:,}",
            f"{one.places}",
            "-" if one.rate is None else f"{one.rate:,.0f}",
            f"{100 * one.share:.0f} %",
            f"{one.starved_seconds / one.places:.1f} s",
            f"{one.blocked_seconds / one.places:.1f} s",
        )
        for one in summary.stages
    ]
    widths = [max(len(row[place]) for row in (COLUMNS, *rows)) for place in range(len(COLUMNS))]
    for row in (COLUMNS, *rows):
        first, *others = (
            text.ljust(width) if not place else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        say("  ".join((first, *others)))
    say(f"bottleneck: {summary.bottleneck or 'not known, for this job has no stages'}")
