"""The classifiers of the two-sample test: each is fitted to rows of both sides and says which side a row is from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Bool, Float64

Decide = Callable[[Array], Bool]
"""Maps rows [N, D] to bool [N]: whether the classifier takes each row for a generated one."""

Fit = Callable[[Array, Array, int], Decide]
"""Fits a classifier to generated rows [N, D] and reference rows [M, D] with a seed. Both sides have equal weight."""


def fit_linear(x: Array, y: Array, seed: int) -> Decide:
    """Fit a linear discriminant with the covariance of Ledoit and Wolf. It detects a difference of means only."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    # The same prior for both sides, whatever their counts.
    model = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=_LedoitWolf(), priors=[0.5, 0.5])
    decision = model.fit(*_labelled(x, y)).decision_function
    return lambda rows: np.asarray(decision(rows) > 0)


def fit_forest(x: Array, y: Array, seed: int) -> Decide:
    """Fit a random forest of 100 trees (Breiman 2001)."""
    from sklearn.ensemble import RandomForestClassifier

    # Balanced weights count both sides equally; leaves of one row would make the trees noisy.
    model = RandomForestClassifier(100, min_samples_leaf=3, class_weight="balanced", random_state=seed)
    # Trees convert all rows to float32.
    return _decision(model.fit(*_labelled(x, y, np.float32)))


def fit_mlp(x: Array, y: Array, seed: int) -> Decide:
    """Fit a network with two hidden layers of 64 units to standardised rows, with early stopping."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # The network takes no weights, so rows of the smaller side are repeated.
    count = max(len(x), len(y))
    rng = np.random.default_rng(seed)
    x, y = (rows[rng.permutation(np.arange(count) % len(rows))] for rows in (x, y))
    network = MLPClassifier((64, 64), early_stopping=count >= 50, max_iter=300, random_state=seed)
    return _decision(make_pipeline(StandardScaler(), network).fit(*_labelled(x, y)))


def fit_nearest(x: Array, y: Array, seed: int) -> Decide:
    """Take a row for the side of its nearest neighbour (1-NN, Lopez-Paz and Oquab 2017)."""
    from sklearn.neighbors import KNeighborsClassifier

    return _decision(KNeighborsClassifier(1, algorithm="brute").fit(*_labelled(x, y, None)))


CLASSIFIERS: dict[str, Fit] = {"linear": fit_linear, "forest": fit_forest, "mlp": fit_mlp, "1nn": fit_nearest}


def _labelled(x: Array, y: Array, dtype: npt.DTypeLike | None = np.float64) -> tuple[Array, Float64]:
    """Return all rows in a dtype, None for their own, and 1 for generated and 0 for reference rows."""
    return np.concatenate([x, y], dtype=dtype), np.concatenate([np.ones(len(x)), np.zeros(len(y))])


def _decision(model: object) -> Decide:
    predict: Callable[[Array], Array] = model.predict  # type: ignore[attr-defined]
    return lambda rows: np.asarray(predict(rows) > 0.5)


class _LedoitWolf:
    """The covariance of standardised rows by Ledoit and Wolf, in the units of the rows, and never singular.

    A direction without any spread within the sides separates them perfectly if their means differ, but an exactly
    singular covariance would hide it: two unlike constants could not be told apart.
    """

    def fit(self, rows: Float64) -> None:
        from sklearn.covariance import ledoit_wolf
        from sklearn.preprocessing import StandardScaler

        # Standardised first, as LinearDiscriminantAnalysis does with shrinkage="auto".
        scaler = StandardScaler()
        scale = scaler.fit(rows).scale_
        covariance = ledoit_wolf(scaler.transform(rows))[0] * scale[:, None] * scale
        # The added variance is far below any that matters.
        added = max(1e-9 * float(np.diag(covariance).mean()), 1e-100)
        self.covariance_ = covariance + added * np.eye(len(covariance))
