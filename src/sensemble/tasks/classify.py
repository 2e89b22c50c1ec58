"""Classification: one label of two or more, or any number of labels at once.

Legend: B batch, C classes, K label columns, n rows.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.table import Table
from ..errors import ConfigError, DataError, unknown
from ..metrics.base import Array, Metric
from ..metrics.by_class import confusion, per_class, per_label
from ..metrics.classification import calibration, classification_metrics, multilabel_metrics
from ..network import Network
from ..nn.head import Head
from ..registry import convert
from ..tokens import Batch, Tokens
from . import thresholds
from .base import TASKS, Answers, Stacker, Task
from .class_loss import EPSILON, ClassLoss
from .class_stacking import LogisticStacker
from .labels import label_order, label_text, yes_or_no


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
        adjust: how much of the classes' log shares is added to the logits in the loss alone, so that rare classes are
            answered as if they were frequent (Menon et al. 2021); 1 is the paper's, 0 adds nothing. As the head has a
            bias, this moves each class's answers and leaves the order of rows by it as it was with two classes or sets.
        threshold: from which probability on the positive one of two classes, or a label of a set, is answered, chosen
            on validation rows: `f1` for the best F1, `precision=0.9` for the most recall at such a precision,
            `recall=0.9` for the most precision at such a recall; `none`: from 0.5 on. Probabilities stay as they are.
        at_precision: the precision at which `recall_at_precision_*` is measured.
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
        adjust: float = 0.0,
        threshold: str = "none",
        at_precision: float = 0.9,
        positive: str | int | bool | None = None,
        metric: str | None = None,
        separator: str = "|",
        dropout: float = 0.1,
    ) -> None:
        if adjust < 0:
            raise ConfigError(f"task.adjust: cannot be negative, as {adjust:g} is")
        if not 0 < at_precision <= 1:
            raise ConfigError(f"task.at_precision: is a share, from above 0 to 1, not {at_precision:g}")
        thresholds.parse(threshold)
        self.target = [target] if isinstance(target, str) else target
        self.many = many
        self.loss_name = loss
        self.gamma = gamma
        self.class_weights = class_weights
        self.smoothing = smoothing
        self.adjust = adjust
        self.threshold = threshold
        self.at_precision = at_precision
        self.positive = positive
        self.wanted_metric = metric
        self.separator = separator
        self.dropout = dropout
        self.classes_: list[str] = []
        self.shares_: list[float] = []
        self.weights_: list[float] = []
        self.many_ = False
        self.thresholds_: list[float] = []

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
            self.classes_ = sorted(counts, key=label_order)
        if len(self.classes_) < (1 if self.many_ else 2):
            found = ", ".join(self.classes_) or "none"
            raise DataError(
                f"{table.name}, column {self.target[0]!r}: the training rows have {len(self.classes_)} label(s) "
                f"({found}); classification needs two or more"
            )
        if self.tunes and not self.many_ and len(self.classes_) > 2:
            raise ConfigError(
                f"task.threshold: is for two classes or label sets, not for {len(self.classes_)} classes; leave it out"
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
        return Head(width, (1 - self.adjust) * self._prior(), dropout=self.dropout)

    def collate(self, table: Table) -> Tokens | None:
        if any(name not in table.columns for name in self.target):
            return None
        place = {label: index for index, label in enumerate(self.classes_)}
        columns = [table.column(name) for name in self.target]
        if len(self.target) > 1:
            cells = [[yes_or_no(value, table, i, name) for i, value in enumerate(column)]
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
        return self._loss()(logits, batch.target, batch.weight)

    def answer(self, network: Network, fused: Tokens) -> NDArray[np.float64]:
        logits: Tensor = network.head(fused).double()
        probabilities = logits.sigmoid() if self.many_ else logits.softmax(-1)
        result: NDArray[np.float64] = probabilities.cpu().numpy()
        return result

    def metrics(self, answers: Answers, target: Tokens) -> dict[str, Metric]:
        probabilities, values = np.asarray(answers), target.values.numpy()
        chosen = self._chosen(probabilities)
        if self.many_:
            labels, mask = values.astype(int), target.mask.numpy()
            return multilabel_metrics(probabilities, labels, mask, self.classes_, chosen, self.at_precision)
        return classification_metrics(
            probabilities, values[:, 0], self.classes_, self.positive_index, chosen, self.at_precision
        )

    def trivial(self, rows: int) -> NDArray[np.float64]:
        return np.tile(np.array(self.shares_), (rows, 1))

    def stack(self, answers: Sequence[Answers], target: Tokens) -> Stacker:
        return LogisticStacker(answers, target, self.many_)

    def records(self, answers: Answers) -> list[dict[str, Any]]:
        probabilities = np.asarray(answers)
        rows = []
        for row, chosen in zip(probabilities, self._chosen(probabilities), strict=True):
            labels = [self.classes_[i] for i in np.flatnonzero(chosen)] if self.many_ else [self.classes_[int(chosen)]]
            each = {f"probability:{label}": float(p) for label, p in zip(self.classes_, row, strict=True)}
            rows.append({"prediction": self.separator.join(labels) if self.many_ else labels[0], **each})
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

    def details(self, answers: Answers, target: Tokens, draws: Array | None = None) -> dict[str, Any]:
        probabilities, values = np.asarray(answers), target.values.numpy()
        chosen = self._chosen(probabilities)
        found: dict[str, Any] = {"thresholds": self._thresholds()} if self.thresholds_ else {}
        if self.many_:
            labels, mask = values.astype(int), target.mask.numpy()
            table = per_label(probabilities, labels, mask, self.classes_, chosen, draws, self.at_precision)
            return {**found, "per_class": table}
        labels = values[:, 0]
        counts = confusion(labels, chosen, len(self.classes_))
        return {
            **found,
            "confusion": {"labels": self.classes_, "counts": counts.tolist()},
            "per_class": per_class(probabilities, labels, self.classes_, chosen, draws),
            "calibration": calibration(probabilities, labels),
        }

    @property
    def tunes(self) -> bool:
        return self.threshold != "none"

    def tuned(self, answers: Answers, target: Tokens) -> Classify:
        """The task with the threshold of each class chosen on these rows."""
        if not self.tunes:
            return self
        probabilities, values, mask = np.asarray(answers), target.values.numpy(), target.mask.numpy()
        other = copy.copy(self)
        if self.many_:
            other.thresholds_ = [
                thresholds.choose(self.threshold, probabilities[known, place], values[known, place] > 0.5)
                for place, known in enumerate(mask.T)
            ]
        else:
            place = self.positive_index
            assert place is not None
            cut = thresholds.choose(self.threshold, probabilities[:, place], values[:, 0] == place)
            other.thresholds_ = [cut if each == place else 1 - cut for each in range(2)]
        return other

    def told(self) -> str:
        if not self.thresholds_:
            return ""
        cuts = self._thresholds()["from"]
        shown = ", ".join(f"{label} from {cut:.3f}" for label, cut in list(cuts.items())[:8])
        return f"Answered, for {self.threshold} on validation rows: {shown}{', ...' if len(cuts) > 8 else ''}."

    def strata(self, target: Tokens) -> NDArray[np.int64]:
        """The class of each row; of a label set its rarest label's, and of an empty one none."""
        values = target.values.numpy()
        if not self.many_:
            return values[:, 0].astype(np.int64)
        real = (values > 0.5) & target.mask.numpy()
        rank = np.where(real, real.sum(0), len(real) + 1)  # (n, C)
        return np.where(real.any(1), rank.argmin(1), len(self.classes_)).astype(np.int64)

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

    def _prior(self) -> Tensor:
        """`(C,)` logits that answer the training rows' shares."""
        shares = torch.tensor(self.shares_, dtype=torch.float32).clamp(EPSILON, 1 - EPSILON)
        return shares.logit() if self.many_ else shares.log()

    def _loss(self) -> ClassLoss:
        gamma = self.gamma if self.loss_name == "focal" else 0.0
        offsets = (self.adjust * self._prior()).tolist() if self.adjust else []
        return ClassLoss(self.many_, gamma, self.smoothing, self.weights_, offsets)

    def _chosen(self, probabilities: NDArray[np.float64]) -> NDArray[Any]:
        """What is answered: the class of each row, `(n,)`, or of label sets which labels, `(n, C)` bool."""
        if self.many_:
            cuts = np.array(self.thresholds_ or [thresholds.DEFAULT] * len(self.classes_))
            return np.asarray(probabilities >= cuts)
        place = self.positive_index
        if place is None or not self.thresholds_:
            return np.asarray(probabilities.argmax(1))
        return np.where(probabilities[:, place] >= self.thresholds_[place], place, 1 - place)

    def _thresholds(self) -> dict[str, Any]:
        """What a report says of them: the `rule`, and `from` which probability on a class is answered."""
        places = range(len(self.classes_)) if self.many_ else [self.positive_index]
        return {
            "rule": self.threshold,
            "from": {self.classes_[place]: self.thresholds_[place] for place in places if place is not None},
        }
