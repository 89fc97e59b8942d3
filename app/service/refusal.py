"""A request that is refused: the HTTP status and the one sentence that says why."""

from collections.abc import Mapping


class RefusalError(Exception):
    """Raised wherever a request cannot be answered; it becomes `{"error": sentence}`."""

    def __init__(self, status: int, sentence: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, dict(headers or {})
