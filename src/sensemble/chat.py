"""A dialogue with a model: it keeps what was said, and gives it to the model as the history it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .data.cache import Cache, load_many
from .data.load import Input, shorten
from .data.turns import Turn, write_history
from .errors import ConfigError, DataError, Unreadable, unknown

QUESTION, HISTORY = "question", "history"
"""What the inputs of questions and of history are usually called."""


class Chat:
    """A dialogue with a fitted model, made by `Learner.chat`.

    Each question goes to the model with what was said before it, written as in training data, and with whatever else
    was given, such as a picture. A model without an input for history is asked each question by itself. Long histories
    are cut as the model's input says; `truncate: start` keeps the last turns.

    Args:
        answer: rows -> one record a row, as `Learner.predict`.
        inputs: of the model.
        needs: columns that its task needs beside them: those of candidates.
        cache: where decoded values are kept, if anywhere.
        question: the input of questions; `None` takes the one called `question`, or the only text.
        history: the input of history; `None` takes the one called `history`, if there is one.
        opening: what opens the dialogue.
        candidates: answers to choose from.
        given: values of other inputs, by name, column or, where only one is of its kind, kind.

    Attributes:
        turns: what was said.
        opening: what opened the dialogue.
    """

    def __init__(
        self,
        answer: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
        inputs: Sequence[Input],
        needs: Sequence[str] = (),
        *,
        cache: Cache | None = None,
        question: str | None = None,
        history: str | None = None,
        opening: str | None = None,
        candidates: Sequence[str] | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self._answer = answer
        self._inputs = list(inputs)
        self._cache = cache
        self._history = self._find(history) if history else self._named(HISTORY)
        self._question = self._find(question) if question else self._named(QUESTION) or self._only_text()
        if self._question is self._history:
            raise ConfigError(f"chat: the input {self._question.name!r} cannot be both question and history")
        if needs and not candidates:
            raise ConfigError(
                "chat: this model chooses among candidates; give them (`candidates=[...]`, or --candidates FILE, one a "
                "line)"
            )
        if candidates and not needs:
            raise ConfigError("chat: this model answers by itself, so it takes no candidates")
        self._fixed: dict[str, Any] = {column: list(candidates or []) for column in needs}
        self.opening = opening
        self.turns: list[Turn] = []
        for name, value in (given or {}).items():
            self.give(name, value)

    def ask(self, question: str) -> dict[str, Any]:
        """The model's answer, as `Learner.predict` gives it; it becomes part of what was said.

        Raises:
            UserError: the model cannot answer; what was said stays as it was.
        """
        row = {**self._fixed, self._question.column: question}
        if self._history is not None:
            row[self._history.column] = write_history(self.turns, self.opening)
        [record] = self._answer([row])
        self.turns.append(Turn(question, answer_text(record)))
        return record

    def give(self, name: str, value: Any = None) -> None:
        """Sets an input for the questions to come, such as the picture that is talked about; `None` takes it away.

        Args:
            name: of the input, its column, or its kind where there is one of that kind.
            value: as a table's cell holds it; a path starts where the program runs.

        Raises:
            UserError: no such input, or a value that cannot be read; nothing has changed.
        """
        item = self._find(name)
        if item is self._question or item is self._history:
            raise ConfigError(f"chat: the dialogue itself fills {item.name!r}")
        if value is not None:
            [loaded] = load_many(item.modality, [value], self._cache)
            if isinstance(loaded, Unreadable):
                raise DataError(f"{item.name}: {shorten(value)}: {loaded}")
        self._fixed[item.column] = value

    def undo(self) -> Turn | None:
        """Takes the last turn back and returns it; `None` where nothing was said."""
        return self.turns.pop() if self.turns else None

    def restart(self) -> None:
        """Forgets what was said. What was given stays."""
        self.turns.clear()

    def _find(self, name: str) -> Input:
        found = self._named(name)
        if found is None:
            raise ConfigError(f"chat: {unknown('input', name, [item.name for item in self._inputs])}")
        return found

    def _named(self, name: str) -> Input | None:
        """The input of that name, of that column, or the only one of that kind."""
        by_name = [item for item in self._inputs if item.name == name]
        by_column = [item for item in self._inputs if item.column == name]
        by_kind = [item for item in self._inputs if item.kind == name]
        found = by_name or by_column[:1] or by_kind
        return found[0] if len(found) == 1 else None

    def _only_text(self) -> Input:
        texts = [item for item in self._inputs if item.kind == "text" and item is not self._history]
        if len(texts) != 1:
            names = ", ".join(item.name for item in texts) or "none"
            raise ConfigError(f"chat: which input is the question? Name one (--question); texts: {names}")
        return texts[0]


def answer_text(record: Mapping[str, Any]) -> str:
    """What a record of `Learner.predict` says, in words."""
    if "prediction" in record:
        return str(record["prediction"])
    return ", ".join(f"{name.partition(':')[2] or name}: {value}" for name, value in record.items())
