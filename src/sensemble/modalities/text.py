"""Text as ids of byte-level pieces (BPE): every script, Chinese too, and nothing is ever unknown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from ..corrupt import Corruption, texts
from ..errors import ConfigError, DataError, Unreadable
from .base import MODALITIES, Modality

BLANK = 0
"""The id that alone stands for a text of blanks; the tokenizer's own ids follow it."""
NUM_BYTES = 256
PIECE_BYTES = 24
"""Longest piece: eight Chinese characters. Else whole sentences that repeat would become pieces."""
PIECE_COUNT = 2
"""A pair seen once is not merged: its piece would never be seen apart, nor would its parts be learned."""


@MODALITIES.register("text")
class Text(Modality):
    """Text as `(T,)` ids, one a piece.

    A piece is a run of bytes that is frequent in the training texts, a whole word at best. As all 256 bytes
    are pieces, nothing is unknown: unless it was cut, `decode(load(text))` is the text again, in Unicode's
    composed form (NFC), which joins a letter and its accent into one character.

    Args:
        vocab: most ids there may be, at least 257; few texts yield fewer.
        length: most tokens of one text; what is beyond is cut.
        lowercase: whether `Good` and `good` are one word.
        truncate: which end of too long a text is cut.

    Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units"; on bytes,
    Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".

    >>> text = Text(vocab=300).fit(["good tea, good day", "今天的茶很好，今天很好"])
    >>> text.describe("good 今天"), text.decode(text.load("good 今天"))
    (['good', ' ', '今天'], 'good 今天')
    """

    encoder = "bag"
    dtype = torch.int64
    tokenizer_: Tokenizer

    def __init__(
        self,
        *,
        vocab: int = 8000,
        length: int = 256,
        lowercase: bool = False,
        truncate: Literal["end", "start"] = "end",
    ) -> None:
        if vocab <= NUM_BYTES:
            raise ConfigError(f"text: vocab must be at least {NUM_BYTES + 1} (a blank and all bytes), not {vocab}")
        if length < 1:
            raise ConfigError(f"text: length must be at least 1, not {length}")
        self.vocab = vocab
        self.length = length
        self.lowercase = lowercase
        self.truncate = truncate

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def num_tokens(self) -> int:
        """How many ids there are, the blank's included: rows of an embedding."""
        return 1 + self.tokenizer_.get_vocab_size(with_added_tokens=True)

    def words(self) -> list[str]:
        pieces = sorted(self.tokenizer_.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
        return ["", *(piece for piece, _ in pieces)]

    def fit(self, values: Sequence[Any]) -> Text:
        """Learns the pieces. The same texts in the same order give the same pieces.

        Raises:
            Unreadable: none of the values is text.
        """
        texts, reason = [], ""
        for value in values:
            try:
                texts.append(self._clean(value))
            except Unreadable as error:
                reason = str(error)
        if reason and not texts:
            raise Unreadable(f"none of the {len(values):,} training values is text: {reason}")
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocab - 1,
            min_frequency=PIECE_COUNT,
            max_token_length=PIECE_BYTES,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        self.tokenizer_ = tokenizer
        return self

    def load(self, raw: Any) -> Tensor:
        """One text -> `(T,)` ids, 1 <= T <= length. What is not a string is read as `str` writes it.

        Raises:
            Unreadable: bytes that are not UTF-8.
        """
        return self._ids(self.tokenizer_.encode(self._clean(raw)).ids)

    def load_many(self, raws: Sequence[Any]) -> list[Tensor | Unreadable]:
        result: list[Any] = []
        for raw in raws:
            try:
                result.append(self._clean(raw))
            except Unreadable as error:
                result.append(error)
        texts = [each for each in result if isinstance(each, str)]
        found = iter(self.tokenizer_.encode_batch_fast(texts))
        return [self._ids(next(found).ids) if isinstance(each, str) else each for each in result]

    def describe(self, raw: Any) -> list[str]:
        """The text of every token. A character of several tokens stands at its first; `·` marks the others.

        A token that ends such a character and goes on has `·` before the rest.
        """
        text = self._clean(raw)
        pieces, done = [], 0  # done: characters already shown
        for start, end in self.tokenizer_.encode(text).offsets:
            pieces.append(("·" if start < done else "") + text[max(start, done) : end])
            done = end
        return self._cut(pieces) or ["(blank)"]

    def corruptions(self) -> dict[str, Corruption]:
        return texts()

    def open(self, raw: Any) -> str:
        return self._clean(raw)

    def decode(self, ids: Iterable[int] | Tensor) -> str:
        """The text of ids; bytes that make no whole character become U+FFFD.

        Raises:
            IndexError: an id below 0 or from `num_tokens` on.
        """
        plain = ids.tolist() if isinstance(ids, Tensor) else [int(each) for each in ids]
        known = self.num_tokens
        for each in plain:
            if not 0 <= each < known:
                raise IndexError(f"there is no token {each}: ids go from 0 to {known - 1}")
        return str(self.tokenizer_.decode([each - 1 for each in plain if each != BLANK], skip_special_tokens=False))

    def state(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer_.to_str()}

    def restore(self, state: dict[str, Any]) -> Text:
        try:
            self.tokenizer_ = Tokenizer.from_str(state["tokenizer"])
        except Exception as error:  # the library raises bare Exception
            raise DataError(f"the saved tokenizer is damaged: {error}") from error
        return self

    def _clean(self, raw: Any) -> str:
        """The text to split, empty where it is blank: composed characters, no half of a surrogate pair."""
        if isinstance(raw, bytes | bytearray | memoryview):
            try:
                text = bytes(raw).decode("utf-8")
            except UnicodeDecodeError as error:
                raise Unreadable(f"bytes that are not UTF-8 text (byte {error.start})") from error
        else:
            text = str(raw)
        if not text.strip():
            return ""
        if not text.isascii():
            whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            text = unicodedata.normalize("NFC", whole)
        return text.lower() if self.lowercase else text

    def _ids(self, ids: list[int]) -> Tensor:
        return torch.tensor(self._cut(ids) or [BLANK - 1], dtype=torch.int64) + 1

    def _cut(self, tokens: list[Any]) -> list[Any]:
        return tokens[: self.length] if self.truncate == "end" else tokens[-self.length :]
