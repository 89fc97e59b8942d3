"""What a stage took in, changed and dropped, and why, by source: counted beside each part, so that a job that goes on counts alike."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc


@dataclass
class Flow:
    """Counts of records by source and word."""

    taken_in: Counter[str] = field(default_factory=Counter)
    """Records that were still in, by source."""
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By source and what was done."""
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By source and reason."""

    def add(self, other: "Flow") -> None:
        """Add the counts of another part."""
        self.taken_in += other.taken_in
        self.changed += other.changed
        self.dropped += other.dropped

    def change(self, sources: pa.Array | pa.ChunkedArray, words: Iterable[str | None]) -> None:
        """Count what was done to records, one word each, None where nothing was."""
        pairs = zip(sources.to_pylist(), words, strict=True)
        self.changed.update((source, word) for source, word in pairs if word)

    def to_dict(self) -> dict[str, object]:
        """Plain values, sorted, for JSON."""
        return {
            "in": dict(sorted(self.taken_in.items())),
            "changed": [[*key, n] for key, n in sorted(self.changed.items())],
            "dropped": [[*key, n] for key, n in sorted(self.dropped.items())],
        }

    @classmethod
    def of_dict(cls, values: Mapping[str, object]) -> "Flow":
        """What `to_dict` made.

        >>> Flow.of_dict(Flow(Counter(a=1), Counter({("a", "filled"): 1})).to_dict()).changed
        Counter({('a', 'filled'): 1})
        """
        taken, changed, dropped = values["in"], values["changed"], values["dropped"]
        assert isinstance(taken, dict)
        assert isinstance(changed, list)
        assert isinstance(dropped, list)
        return cls(
            Counter(taken),
            Counter({(source, word): n for source, word, n in changed}),
            Counter({(source, word): n for source, word, n in dropped}),
        )


def counted(sources: pa.ChunkedArray, before: pa.ChunkedArray | None, after: pa.ChunkedArray) -> Flow:
    """What went in and was dropped, from the column `dropped` before a stage (None: nothing was) and after it."""
    was_in = pc.is_null(before) if before is not None else pa.chunked_array([pa.array([True] * len(after), pa.bool_())])
    table = pa.table({"source": sources.cast(pa.string()), "in": was_in, "why": after.cast(pa.string())})
    table = table.filter(pc.field("in"))
    flow = Flow()
    for row in table.group_by(["source", "why"]).aggregate([([], "count_all")]).to_pylist():
        flow.taken_in[row["source"]] += row["count_all"]
        if row["why"] is not None:
            flow.dropped[row["source"], row["why"].split(": ", 1)[-1]] += row["count_all"]
    return flow


def carried(stage: str, before: pa.ChunkedArray | None, reasons: Sequence[str | None]) -> pa.Array:
    """The column `dropped` after a stage: what was dropped before stays so, of the others those with a reason are dropped now.

    >>> before = pa.chunked_array([pa.array([None, "gather: no picture", None]).dictionary_encode()])
    >>> carried("screen", before, ["licence forbids (by-nd)", None, None]).to_pylist()
    ['screen: licence forbids (by-nd)', 'gather: no picture', None]
    """
    own = pa.array([None if reason is None else f"{stage}: {reason}" for reason in reasons], pa.string())
    if before is not None:
        own = pc.coalesce(before.cast(pa.string()).combine_chunks(), own)
    return pc.dictionary_encode(own)
