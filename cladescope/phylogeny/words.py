"""The text of a tree, word by word: labels and signs of Newick and Nexus, as DendroPy splits them."""

from collections.abc import Iterable
from io import StringIO

from cladescope.errors import InputError


class Words:
    """The labels and signs of a text, one after the other, with comments left out."""

    def __init__(self, text: str) -> None:
        from dendropy.dataio.nexusprocessing import NexusTokenizer
        from dendropy.dataio.tokenizer import Tokenizer

        self._unclosed_quote: type[Exception] = Tokenizer.UnterminatedQuoteError
        self._tokens = NexusTokenizer(StringIO(text))
        self._tokens.capture_comments = False

    @property
    def sign(self) -> str:
        """The last word, or an empty text if it was quoted, when it cannot be a sign."""
        return "" if self._tokens.is_token_quoted else self._tokens.current_token

    def split_only_at(self, signs: Iterable[str]) -> None:
        """From here on only `signs` end the word before them; Nexus has more of them than Newick."""
        self._tokens.captured_delimiters = set(signs)

    def next(self, expected: str) -> str:
        """The next word; InputError, which says what was `expected`, where there is none."""
        try:
            word: str = next(self._tokens)
        except StopIteration:
            raise InputError(
                f"the text ends in line {self._tokens.current_line_num}, expected {expected}: is it complete?"
            ) from None
        except self._unclosed_quote:
            raise InputError(
                f"the quote of line {self._tokens.token_line_num} is never closed, expected another: "
                "a quote inside a quoted label is written twice"
            ) from None
        if word.startswith("'") and not self._tokens.is_token_quoted:
            raise self.unexpected("a blank between a comment and a quoted label")
        return word

    def until(self, sign: str) -> list[str]:
        """The words before the next `sign`."""
        words = [self.next(f"{sign!r}")]
        while self.sign != sign:
            words.append(self.next(f"{sign!r}"))
        return words[:-1]

    def unexpected(self, expected: str) -> InputError:
        """The error for the last word."""
        place = f"line {self._tokens.token_line_num}, column {self._tokens.token_column_num}"
        return InputError(f"{place}: found {self._tokens.current_token[:60]!r}, expected {expected}")
