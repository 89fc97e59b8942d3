"""How far a job is whose shards are embedded apart: what each of them told last, as one."""

import contextlib
import threading
import time
from typing import Any

from cladescope.app.verbs.filling import source_of
from cladescope.app.verbs.jobs import table_rules
from cladescope.embedding.counting import Counting
from cladescope.embedding.summary import EmbedSummary, Progress
from cladescope.embedding.web import introduce
from cladescope.errors import CladescopeError

Call = dict[str, Any]
"""Arguments of `cladescope.embed`."""


class ShardsProgress:
    """What the shards of one job told. The records of their source are counted beside them, for no shard knows how many there are."""

    def __init__(self, call: Call) -> None:
        """The job begins; `call` is that of one shard, or of all."""
        self._call, self._began = call, time.monotonic()
        self._states: dict[int, Progress] = {}
        self._counting: Counting | None = None
        threading.Thread(target=self._count, name="count", daemon=True).start()

    def _count(self) -> None:
        call = self._call
        with contextlib.suppress(CladescopeError, OSError):  # the shards say what is wrong with their source
            introduce(call.get("contact"))
            rules = table_rules(call["store"], call.get("types"), call.get("missing"))
            found = {"by_content": call.get("by_content", False), "labels_from": call.get("labels_from")}
            source, _ = source_of(call["source"], call.get("allow", ()), rules, **found)
            self._counting = Counting(source, call.get("limit"))

    def note(self, number: int, state: Progress) -> None:
        """A shard is so far."""
        self._states[number] = state

    def ended(self, number: int, summary: EmbedSummary) -> None:
        """A shard has come to its end, and is at work no more."""
        filled, unfilled = summary.filled, summary.unfilled.total()
        done = summary.embedded + summary.already_stored + summary.failed + filled + unfilled
        state = Progress(
            done, None, summary.embedded, summary.failed, summary.seconds, 0.0, 0.0, filled, unfilled, filled + unfilled
        )
        self.note(number, state)

    def together(self) -> Progress | None:
        """How far all are; None while none has told anything."""
        states = list(self._states.values())
        if not states:
            return None
        total, to_fill = None if self._counting is None else self._counting(), sum(one.to_fill for one in states)
        return Progress(
            done=sum(one.done for one in states), total=None if total is None else total + to_fill, embedded=sum(one.embedded for one in states),
            failed=sum(one.failed for one in states), seconds=time.monotonic() - self._began,
            pace=sum(_pace(one) for one in states), lately=sum(one.rate for one in states),
            filled=sum(one.filled for one in states), unfilled=sum(one.unfilled for one in states), to_fill=to_fill,
        )  # fmt: skip


def _pace(state: Progress) -> float:
    if state.pace is not None:
        return state.pace
    return state.done / state.seconds if state.seconds > 0 else 0.0
