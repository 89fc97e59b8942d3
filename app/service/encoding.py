"""One encoder for the requests of many users: loaded in the background, and what has queued is encoded together."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.tally import Tally
from cladescope.embedding.encode import BATCH_SIZE, encoded
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.given import as_records
from cladescope.errors import CladescopeError, PictureError

logger = logging.getLogger(__name__)

Vector = Float32[np.ndarray, " d"]
STATES = ("loading", "loaded", "failed")
RETRY_SECONDS = 2
"""When to ask again while the encoder loads."""


@dataclass
class _Job:
    content: bytes | str
    """A picture or a text."""
    vector: "Future[Vector]" = field(default_factory=Future)


class Encoding:
    """An encoder and the one thread that loads it and computes with it.

    Memory: `BATCH_SIZE` pictures at a time, as `embedding.encode.encoded` tells; each waiting request holds its own picture.
    """

    def __init__(self, name: str, load: Callable[[], Encoder], tally: Tally) -> None:
        """Begin to load the encoder called `name`."""
        self.name = name
        self.encoder: Encoder | None = None
        self.problem: str | None = None
        """Why it cannot be had."""
        self._load, self._tally = load, tally
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"encoder {name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> str:
        """`loading`, `loaded` or `failed`."""
        return "failed" if self.problem is not None else "loading" if self.encoder is None else "loaded"

    def submit(self, content: bytes | str) -> "Future[Vector]":
        """What will be the unit vector of an encoded picture or of a text, computed together with what else has queued.

        It raises PictureError for a picture that cannot be used, EncoderError for a text where the encoder has no text side.

        Raises RefusalError while there is no encoder.
        """
        if self.problem is not None:
            raise RefusalError(
                503, f"the encoder {self.name} cannot be loaded, so search by id or by taxon: {self.problem}"
            )
        if self.encoder is None:
            raise RefusalError(
                503,
                f"the encoder {self.name} is still loading: ask again in a few seconds, or search by id or by taxon",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        job = _Job(content)
        self._jobs.put(job)
        return job.vector

    def stop(self) -> None:
        """End the thread once what has queued is done; an encoder that is still loading is not waited for."""
        self._jobs.put(None)
        if self.state == "loaded":
            self._thread.join()

    def _work(self) -> None:
        try:
            self.encoder = self._load()
        except Exception as error:  # noqa: BLE001 - whatever a library raises, searches by id go on
            first = (str(error).strip() or type(error).__name__).partition("\n")[0]
            self.problem = first
            logger.warning("the encoder %s cannot be loaded: %s", self.name, first)
            return
        logger.info("encoder %s is loaded", self.name)
        while (first_job := self._jobs.get()) is not None:
            jobs, goes_on = [first_job], True
            while len(jobs) < BATCH_SIZE and goes_on:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    goes_on = False
                else:
                    jobs.append(job)
            self._encode(self.encoder, jobs)
            if not goes_on:
                return

    def _encode(self, encoder: Encoder, jobs: Sequence[_Job]) -> None:
        """Give each job its vector, or the error that stands in its way; those of one kind are one batch."""
        wanted = [job for job in jobs if job.vector.set_running_or_notify_cancel()]
        for do, some in (
            (_pictures, [job for job in wanted if isinstance(job.content, bytes)]),
            (_texts, [job for job in wanted if isinstance(job.content, str)]),
        ):
            if not some:
                continue
            began = time.perf_counter()
            try:
                do(encoder, some)
            except BaseException as error:  # noqa: BLE001 - it belongs to those who wait
                for job in some:
                    if not job.vector.done():
                        job.vector.set_exception(error)
            self._tally.batch(self.name, len(some), time.perf_counter() - began)


def _pictures(encoder: Encoder, jobs: Sequence[_Job]) -> None:
    found: dict[str, Vector | CladescopeError] = {}
    records = list(as_records([job.content for job in jobs]))
    for batch in encoded(records, encoder):
        found |= {record.uri: vector for record, vector in zip(batch.records, batch.vectors, strict=True)}
        for failure in batch.failures:
            found[failure.record.uri] = PictureError(f"the query picture cannot be used: {failure.reason}")
    for job, record in zip(jobs, records, strict=True):
        outcome = found[record.uri]
        if isinstance(outcome, CladescopeError):
            job.vector.set_exception(outcome)
        else:
            job.vector.set_result(outcome)


def _texts(encoder: Encoder, jobs: Sequence[_Job]) -> None:
    for job, vector in zip(jobs, encoder.encode_texts([str(job.content) for job in jobs]), strict=True):
        job.vector.set_result(vector)
