"""Classification: one label of two or more, or any number of labels at once.

Legend: B batch, C classes, K label columns, n rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.table import Table
from ..errors import ConfigError, DataError, unknown
from ..metrics.base import Metric
from ..metrics.classification import calibration, classification_metrics, confusion, multilabel_metrics, per_class
from ..network import Network
from ..nn.head import Head
from ..registry import convert
from ..tokens import Batch, Tokens
from .base import TASKS, Answers, Stacker, Task

EPSILON = 1e-6


@TASKS.register("classify")
class Classify(Task):
    """Predicts a label, or with `many` a set of labels.

    Answers are probabilities, an array `(n, C)`.

    Args:
        target: the column of labels; or, with `many`, a column of label lists (or texts parted by `separator`),
            or several columns of yes and no.
        many: whether a row may have several labels, or none. `None`: yes if several columns are named or the
            values are lists.
        loss: `cross_entropy`, or `focal`, which counts easy rows less (Lin et al. 2017).
        gamma: how much less, for `focal`.
        class_weights: `balanced` weighs each class by the inverse of its share; or a weight by label.
        smoothing: share of certainty given away to the other classes.
        positive: of two classes, the one that precision, recall, F1, ROC-AUC and PR-AUC are about; else the
            last in sorted order ("1" after "0", "yes" after "no").
        metric: the score by which models are chosen; else ROC-AUC for two classes, accuracy for more, and
            macro ROC-AUC for label sets.
        separator: between labels in one text.
        dropout: before the last linear map.
    """

    def __init__(
        self,
        *,
        target: str | list[str],
        many: bool | None = None,
        loss: Literal["cross_entropy", "focal"] = "cross_entropy",
        gamma: float = 2.0,
        class_weights: Literal["none", "balanced"] | dict[str, float] = "none",
        smoothing: float = 0.0,
        positive: str | int | bool | None = None,
        metric: str | None = None,
        separator: str = "|",
        dropout: float = 0.1,
    ) -> None:
        self.target = [target] if isinstance(target, str) else target
        self.many = many
        self.loss_name = loss
        self.gamma = gamma
        self.class_weights = class_weights
        self.smoothing = smoothing
        self.positive = positive
        self.wanted_metric = metric
        self.separator = separator
        self.dropout = dropout
        self.classes_: list[str] = []
        self.shares_: list[float] = []
        self.weights_: list[float] = []
        self.many_ = False

    @property
    def columns(self) -> list[str]:
        return list(self.target)

    @property
    def metric(self) -> str:  # type: ignore[override]
        default = "roc_auc" if self.many_ or len(self.classes_) == 2 else "accuracy"
        return self.wanted_metric or default

    @property
    def positive_index(self) -> int | None:
        """Which class is the positive one, where there are two."""
        if self.many_ or len(self.classes_) != 2:
            return None
        return 1 if self.positive is None else self.classes_.index(label_text(self.positive))

    def fit(self, table: Table) -> Classify:
        columns = [table.column(name) for name in self.target]
        self.many_ = self._has_sets(table)
        if len(self.target) > 1 and not self.many_:
            raise ConfigError("task: several target columns make label sets; leave out `many: false`")
        if len(self.target) > 1:
            self.classes_ = list(self.target)
        else:
            counts = Counter(label for value in columns[0] if value is not None for label in self._labels(value))
            self.classes_ = sorted(counts, key=_label_order)
        if len(self.classes_) < (1 if self.many_ else 2):
            found = ", ".join(self.classes_) or "none"
            raise DataError(
                f"{table.name}, column {self.target[0]!r}: the training rows have {len(self.classes_)} label(s) "
                f"({found}); classification needs two or more"
            )
        if len(self.classes_) > 2000 and len(self.classes_) > len(table) // 2:
            raise DataError(
                f"{table.name}, column {self.target[0]!r}: {len(self.classes_)} different labels in {len(table)} "
                "rows look like free values, not classes; did you mean the task regress?"
            )
        if self.positive is not None and label_text(self.positive) not in self.classes_:
            raise ConfigError(f"task.positive: {unknown('label', label_text(self.positive), self.classes_)}")
        target = self.collate(table)
        assert target is not None
        values, mask = target.values.double(), target.mask.double()
        if self.many_:
            shares = (values * mask).sum(0) / mask.sum(0).clamp(min=1)
        else:
            labels = target.values[target.present, 0]
            shares = torch.bincount(labels, minlength=len(self.classes_)).double() / len(labels)
        self.shares_ = shares.tolist()
        self.weights_ = self._fit_weights()
        if self.wanted_metric:
            known = self.metrics(self.trivial(len(table)), target)
            if self.wanted_metric not in known:
                raise ConfigError(f"task.metric: {unknown('metric', self.wanted_metric, known)}")
        return self

    def labels(self, table: Table) -> list[tuple[str, ...]] | None:
        if len(self.target) > 1:
            return None  # each column is a class, whatever it holds
        self.many_ = self._has_sets(table)
        return [() if value is None else tuple(self._labels(value)) for value in table.column(self.target[0])]

    def head(self, width: int) -> nn.Module:
        shares = torch.tensor(self.shares_, dtype=torch.float32).clamp(EPSILON, 1 - EPSILON)
        return Head(width, shares.logit() if self.many_ else shares.log(), dropout=self.dropout)

    def collate(self, table: Table) -> Tokens | None:
        if any(name not in table.columns for name in self.target):
            return None
        place = {label: index for index, label in enumerate(self.classes_)}
        columns = [table.column(name) for name in self.target]
        if len(self.target) > 1:
            cells = [[_truth(value, table, i, name) for i, value in enumerate(column)]
                     for name, column in zip(self.target, columns, strict=True)]  # fmt: skip
            known = torch.tensor([[cell is not None for cell in column] for column in cells]).T
            return Tokens(torch.tensor([[bool(cell) for cell in column] for column in cells]).T.float(), known)
        mask = torch.tensor([value is not None for value in columns[0]])
        rows, labels = [], []
        for index, value in enumerate(columns[0]):
            for label in () if value is None else self._labels(value):
                if label not in place:
                    raise DataError(
                        f"{table.name}, row {table.row(index)}, column {self.target[0]!r}: "
                        f"{unknown('label', label, self.classes_[:50])}; it is not among the training rows"
                    )
                rows.append(index)
                labels.append(place[label])
        if self.many_:
            values = torch.zeros(len(table), len(self.classes_))
            values[rows, labels] = 1
            return Tokens(values, mask.unsqueeze(1).expand(-1, len(self.classes_)).contiguous())
        indices = torch.zeros(len(table), 1, dtype=torch.long)
        indices[rows, 0] = torch.tensor(labels, dtype=torch.long)
        return Tokens(indices, mask.unsqueeze(1))

    def loss(self, network: Network, batch: Batch) -> Tensor:
        assert batch.target is not None
        logits = network.head(network(batch.inputs))  # (B, C)
        target = batch.target
        if self.many_:
            each, weight = self._many_loss(logits, target)  # (B,), (B,)
        else:
            each, weight = self._single_loss(logits, target)
        if batch.weight is not None:
            weight = weight * batch.weight
        return (each * weight).sum() / weight.sum().clamp(min=EPSILON)

    def answer(self, network: Network, fused: Tokens) -> NDArray[np.float64]:
        logits: Tensor = network.head(fused).double()
        probabilities = logits.sigmoid() if self.many_ else logits.softmax(-1)
        result: NDArray[np.float64] = probabilities.cpu().numpy()
        return result

    def metrics(self, answers: Answers, target: Tokens) -> dict[str, Metric]:
        probabilities, values = np.asarray(answers), target.values.numpy()
        if self.many_:
            return multilabel_metrics(probabilities, values.astype(int), target.mask.numpy(), self.classes_)
        return classification_metrics(probabilities, values[:, 0], self.classes_, self.positive_index)

    def trivial(self, rows: int) -> NDArray[np.float64]:
        return np.tile(np.array(self.shares_), (rows, 1))

    def stack(self, answers: Sequence[Answers], target: Tokens) -> Stacker:
        return LogisticStacker(answers, target, self.many_)

    def records(self, answers: Answers) -> list[dict[str, Any]]:
        rows = []
        for row in np.asarray(answers):
            if self.many_:
                chosen: Any = self.separator.join(
                    label for label, p in zip(self.classes_, row, strict=True) if p >= 0.5
                )
            else:
                chosen = self.classes_[int(row.argmax())]
            probabilities = {f"probability:{label}": float(p) for label, p in zip(self.classes_, row, strict=True)}
            rows.append({"prediction": chosen, **probabilities})
        return rows

    def truth(self, target: Tokens) -> list[str]:
        if self.many_:
            return [
                self.separator.join(self.classes_[i] for i in row.nonzero().flatten().tolist())
                for row in target.values * target.mask
            ]
        return [self.classes_[index] for index in target.values[:, 0].tolist()]

    def surprise(self, answers: Answers, target: Tokens) -> NDArray[np.float64]:
        probabilities, values = np.clip(np.asarray(answers), EPSILON, 1 - EPSILON), target.values.numpy()
        if self.many_:
            each = -np.log(np.where(values > 0, probabilities, 1 - probabilities)) * target.mask.numpy()
            return np.asarray(each.sum(1))
        chosen = probabilities[np.arange(len(values)), values[:, 0]]
        return np.asarray(-np.log(chosen))

    def details(self, answers: Answers, target: Tokens) -> dict[str, Any]:
        if self.many_:
            return {}
        probabilities, labels = np.asarray(answers), target.values[:, 0].numpy()
        counts = confusion(labels, probabilities.argmax(1), len(self.classes_))
        return {
            "confusion": {"labels": self.classes_, "counts": counts.tolist()},
            "per_class": per_class(probabilities, labels, self.classes_),
            "calibration": calibration(probabilities, labels),
        }

    def _has_sets(self, table: Table) -> bool:
        """Whether the labels are sets: as the config says, or by several columns or cells with lists."""
        if self.many is not None:
            return self.many
        lists = any(isinstance(value, list | tuple | set | np.ndarray) for value in table.column(self.target[0]))
        return len(self.target) > 1 or lists

    def _labels(self, value: Any) -> list[str]:
        """The labels in one cell."""
        if not self.many_:
            return [label_text(value)]
        if isinstance(value, str):
            return [part.strip() for part in value.split(self.separator) if part.strip()]
        return [label_text(item) for item in value] if hasattr(value, "__iter__") else [label_text(value)]

    def _fit_weights(self) -> list[float]:
        if isinstance(self.class_weights, Mapping):
            for label in self.class_weights:
                if label not in self.classes_:
                    raise ConfigError(f"task.class_weights: {unknown('label', label, self.classes_)}")
            return [convert(self.class_weights.get(label, 1.0), float, where="weight") for label in self.classes_]
        if self.class_weights == "balanced":
            return [1 / max(len(self.shares_) * share, EPSILON) for share in self.shares_]
        return [1.0] * len(self.classes_)

    def _single_loss(self, logits: Tensor, target: Tokens) -> tuple[Tensor, Tensor]:
        labels = target.values[:, 0]
        each = F.cross_entropy(logits, labels, reduction="none", label_smoothing=self.smoothing)  # (B,)
        if self.loss_name == "focal":
            sure = logits.log_softmax(-1).gather(1, labels.unsqueeze(1)).squeeze(1).exp()
            each = each * (1 - sure) ** self.gamma
        weights = torch.tensor(self.weights_, device=logits.device)
        return each, weights[labels] * target.mask[:, 0]

    def _many_loss(self, logits: Tensor, target: Tokens) -> tuple[Tensor, Tensor]:
        values = target.values * (1 - self.smoothing) + self.smoothing / 2
        each = F.binary_cross_entropy_with_logits(logits, values, reduction="none")  # (B, K)
        if self.loss_name == "focal":
            sure = torch.where(target.values > 0.5, logits.sigmoid(), (-logits).sigmoid())
            each = each * (1 - sure) ** self.gamma
        weights = torch.tensor(self.weights_, device=logits.device)
        each = each * torch.where(target.values > 0.5, weights, 1.0) * target.mask
        known = target.mask.sum(1)
        return each.sum(1) / known.clamp(min=1), (known > 0).to(each.dtype)


class LogisticStacker(Stacker):
    """Logistic regression on the log odds of several models, one for each label where labels are sets."""

    def __init__(self, answers: Sequence[Answers], target: Tokens, many: bool) -> None:
        self.many = many
        features, values = self._features(answers), target.values.numpy()
        self.width = np.asarray(answers[0]).shape[1]
        self.models: list[tuple[int, LogisticRegression | float]] = []
        columns = range(values.shape[1]) if many else [0]
        for column in columns:
            known = target.mask.numpy()[:, column]
            labels = values[known, column].astype(int)
            if len(set(labels.tolist())) < 2:
                self.models.append((column, float(labels.mean()) if len(labels) else 0.5))
                continue
            model = LogisticRegression(C=1.0, max_iter=1000)
            self.models.append((column, model.fit(features[known], labels)))

    def __call__(self, answers: Sequence[Answers]) -> NDArray[np.float64]:
        features = self._features(answers)
        result = np.full((len(features), self.width), 1e-6)
        for column, model in self.models:
            if not isinstance(model, LogisticRegression):
                result[:, column if self.many else int(model)] = model if self.many else 1.0
            elif self.many:
                result[:, column] = model.predict_proba(features)[:, 1]
            else:
                result[:, model.classes_] = model.predict_proba(features)
        return result if self.many else result / result.sum(1, keepdims=True)

    @staticmethod
    def _features(answers: Sequence[Answers]) -> NDArray[np.float64]:
        odds = [np.clip(np.asarray(each), 1e-4, 1 - 1e-4) for each in answers]
        return np.concatenate([np.log(each / (1 - each)) for each in odds], 1)


def label_text(value: Any) -> str:
    """A label as text: 1, 1.0 and "1" are the same label; so are True and "True"."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).strip()


def _label_order(label: str) -> tuple[int, float, str]:
    """Numbers by value first, then texts by alphabet."""
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)


def _truth(value: Any, table: Table, index: int, column: str) -> bool | None:
    """A yes-or-no cell."""
    if value is None:
        return None
    text = label_text(value).lower()
    if text in ("1", "true", "yes"):
        return True
    if text in ("0", "false", "no"):
        return False
    raise DataError(
        f"{table.name}, row {table.row(index)}, column {column!r}: {value!r} is neither yes nor no; several target "
        "columns need 0/1, true/false or yes/no"
    )
