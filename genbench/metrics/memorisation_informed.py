"""MiFID: the Fréchet distance, divided by how far the samples are from the training samples if that is very little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Float64
from genbench.errors import InputError, PlugError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import embedding, spans
from genbench.metrics.frechet.metric import FrechetDistance
from genbench.metrics.group_influence import influence_of, variance_of_sum
from genbench.metrics.nearest_rows import nearest_rows
from genbench.metrics.tiles import pair_of
from genbench.plugs.contracts import GROUPS, Score

ADDED_DISTANCE = 1e-14
"""Added to the distance of copies, as in the program of the competition."""

NO_DISTANCE = 1e-8
"""A Fréchet distance up to this counts as 0, and so does its MiFID, as in torchmetrics."""


@dataclass(frozen=True)
class MemorisationInformedDistance:
    """MiFID: FID, divided by the distance to the training samples if that is small (Bai et al. 2021, arXiv 2106.03062).

    MiFID is FID / (m + 1e-14) if m < threshold, otherwise FID. m is the mean over generated rows x of min_t (1 -
    |cos(x, t)|) over the training rows t. Both FID and m compare with the training samples; without them, the
    reference is taken for the training set. The detail has ``fid``, m as ``distance``, and, with training samples, the
    same distance of the held-out reference as ``distance_of_held_out``: if it lies below the threshold, too, then
    MiFID punishes samples that are no copies.

    The error is that of the delta method, from the influences of FID and of m. It holds for a fixed threshold: within a
    few errors of m from it, MiFID jumps. A Fréchet distance of 0 gives 0, although identical sets are copies.
    """

    threshold: float = 0.1

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    training_rows: ClassVar[Literal["optional"]] = "optional"
    least_samples: ClassVar[tuple[int, ...]] = (2, 2, 2)

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise UsageError(f"threshold={self.threshold} is no cosine distance up to 1; write mifid,threshold=0.1.")

    def __call__(
        self,
        generated: Features,
        reference: Features | Moments | None,
        *,
        seed: int,
        train: Features | None = None,
    ) -> list[Score]:
        """Return ``mifid``, 0 or more.

        Raises PlugError without rows of the reference, and InputError if the embeddings differ in width or all of a
        side are 0.
        """
        if not isinstance(reference, Features):
            raise PlugError("MiFID needs training samples: name some with --train, or with --reference.")
        known = reference if train is None else train
        # both parts, each with the influence of the rows
        fid = FrechetDistance()(generated, known, seed=seed)[0]
        distances = cosine_distances(embedding(generated, "generated"), embedding(known, "training"))
        distance = float(distances.mean())
        detail: dict[str, Any] = {"fid": fid.value, "distance": distance, "error_by": "delta method"}
        if train is not None:
            held_out = cosine_distances(embedding(reference, "held-out"), embedding(train, "training"))
            detail["distance_of_held_out"] = float(held_out.mean())
        value, by_fid, by_distance = _mifid(fid.value, distance, self.threshold)

        # the delta method, by groups of rows
        influence, error = None, None
        if fid.influence is not None:
            of_distance = np.bincount(np.arange(len(distances)) % GROUPS, distances - distance, GROUPS) / len(distances)
            of_generated = by_fid * np.asarray(fid.influence.generated) + by_distance * of_distance
            of_known = by_fid * np.asarray(fid.influence.reference)
            error = float(np.sqrt(variance_of_sum(of_generated) + variance_of_sum(of_known)))
            # the training samples are the reference only without --train
            influence = influence_of(of_generated, of_known if train is None else (), error=error)
        elif fid.error is not None:
            # without the influence of FID, both parts count as independent
            error = float(np.hypot(by_fid * fid.error, by_distance * np.sqrt(distances.var() / len(distances))))
        return [Score("mifid", value, error, "lower", detail, "memorization_informed_fid", influence)]


def cosine_distances(generated: npt.ArrayLike, train: npt.ArrayLike) -> Float64:
    """Return min_t (1 - |cos(x, t)|) over the training rows for each generated row, float64 [N], exactly 0 for copies.

    Rows that are 0 have no direction and are left out on both sides, so N may be smaller than the number of rows.
    Raises InputError if all rows of a side are 0, or as ``pair_of`` does.
    """
    left, right = _directions(np.asarray(generated), "generated"), _directions(np.asarray(train), "training")
    # 1 - |cos| is half the squared distance to the nearer of t and -t
    to_nearer = np.minimum(*(nearest_rows(*pair_of(left, sign * right))[1] for sign in (1, -1)))
    return np.asarray(to_nearer / 2)


def _directions(rows: Array, role: str) -> Array:
    """Return the rows scaled to length 1, in their own precision, without those that are 0."""
    # cosines do not depend on lengths, and equal rows give equal directions
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    kept = np.flatnonzero(lengths)
    if not len(kept):
        raise InputError(f"All {role} rows are 0, so they have no direction; check the extractor.")
    # divided in float64 by pieces, because a whole copy would be large
    directions = np.empty((len(kept), rows.shape[1]), np.result_type(rows.dtype, np.float32))
    for span in spans(len(kept)):
        directions[span] = rows[kept[span]] / lengths[kept[span], None]
    return directions


def _mifid(fid: float, distance: float, threshold: float) -> tuple[float, float, float]:
    """Return MiFID and its derivatives with respect to FID and the distance."""
    if fid <= NO_DISTANCE:
        return 0.0, 0.0, 0.0
    # samples that are far enough from the training samples are not punished
    if distance >= threshold:
        return fid, 1.0, 0.0
    divisor = distance + ADDED_DISTANCE
    return fid / divisor, 1 / divisor, -fid / divisor**2
