"""What each stage took in, changed, dropped and why, by source, and what is left by split: the table that the card draws."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from cladescope.training.curation.flow import Flow
from cladescope.training.curation.job import Job

HEAD = ("stage", "source", "what", "why", "pictures")


@dataclass(frozen=True)
class Flows:
    """Counts of all stages."""

    stages: dict[str, Flow]
    """In the order of the stages."""
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pictures of the data set, by source and split."""

    def rows(self) -> list[tuple[str, str, str, str, int]]:
        """Lines of `flow.csv`: `in`, `changed`, `dropped` and `out` of each stage and source, and `written` by split."""
        rows: list[tuple[str, str, str, str, int]] = []
        for stage, flow in self.stages.items():
            for source, n in sorted(flow.taken_in.items()):
                rows.append((stage, source, "in", "", n))
                for what, counts in (("changed", flow.changed), ("dropped", flow.dropped)):
                    rows += [(stage, one, what, why, k) for (one, why), k in sorted(counts.items()) if one == source]
                rows.append((stage, source, "out", "", n - self.dropped(stage)[source]))
        return rows + [("write", source, "written", split, n) for (source, split), n in sorted(self.kept.items())]

    def dropped(self, stage: str) -> Counter[str]:
        """What a stage dropped, by source."""
        counts = Counter[str]()
        for (source, _), n in self.stages[stage].dropped.items():
            counts[source] += n
        return counts

    def sources(self) -> list[str]:
        """The sources that had records, most first."""
        first = next(iter(self.stages.values()))
        return sorted(first.taken_in, key=lambda name: (-first.taken_in[name], name))


def flows_of(job: Job) -> Flows:
    """The counts of a job whose stages are all finished."""
    stages = {stage: Flow.of_dict(job.manifest(stage)["counts"]) for stage in job.stages}
    kept = Counter[tuple[str, str]]()
    for part in range(job.n_parts):
        is_in = job.is_in("split", part)
        columns = {
            "source": job.read("gather", part, ["source"])["source"].filter(is_in).cast(pa.string()),
            "split": job.read("split", part, ["split"])["split"].filter(is_in).cast(pa.string()),
        }
        counts = pa.table(columns).group_by(["source", "split"]).aggregate([([], "count_all")])
        kept.update({(row["source"], row["split"]): row["count_all"] for row in counts.to_pylist()})
    return Flows(stages, kept)


def whys(flow: Flow) -> tuple[dict[str, int], dict[str, int]]:
    """What was changed and what dropped, by word over all sources, most first."""
    found: list[dict[str, int]] = []
    for counts in (flow.changed, flow.dropped):
        words = Counter[str]()
        for (_, word), n in counts.items():
            words[word] += n
        found.append(dict(sorted(words.items(), key=lambda one: (-one[1], one[0]))))
    return found[0], found[1]


def to_dict(flows: Flows) -> list[dict[str, Any]]:
    """The counts over all sources, a stage an entry, for JSON."""
    table = []
    for stage, flow in flows.stages.items():
        changed, dropped = whys(flow)
        taken = flow.taken_in.total()
        table.append(
            {"stage": stage, "in": taken, "changed": changed, "dropped": dropped, "out": taken - flow.dropped.total()}
        )
    return table
