"""Late stacking of classifiers: how their probabilities are combined, learned on validation rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from ..tokens import Tokens
from .base import Answers, Stacker


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
