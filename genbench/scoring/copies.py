"""Find exact copies: of reference samples among the generated ones, and among the generated samples themselves."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from genbench.array_types import Int64
from genbench.derived_sources import CHUNK
from genbench.features.features import Features


@dataclass(frozen=True)
class Copies:
    """How many samples are exact copies of others, beyond what the reference itself suggests."""

    generated: int
    """Number of generated samples."""
    copied: int
    """Number of generated samples that are in the reference; 0 if the reference repeats its samples as often."""
    distinct: int
    """Number of different generated samples; ``generated`` if the reference repeats its samples as often."""
    same: bool
    """Whether both sides are the same samples, in any order."""
    chunks_repeat: bool
    """Whether a sampler gave a chunk of samples twice."""

    def warnings(self) -> list[str]:
        """Return one sentence about each kind of copies."""
        # copies between the sides, then repetitions within the generated samples
        found = []
        if self.same:
            found.append(
                "the two sides are the same samples: distances are 0 by construction, and scores that assume "
                "independent sides have no meaning."
            )
        elif self.copied:
            are = "is an exact copy" if self.copied == 1 else "are exact copies"
            found.append(
                f"{self.copied:,} of {self.generated:,} generated samples {are} of reference samples: the scores then "
                "measure how well the reference is remembered; compare with samples that the model has not seen."
            )
        return found + self._repetitions()

    def _repetitions(self) -> list[str]:
        repeated = self.generated - self.distinct
        if not repeated:
            return []
        unique = f"{self.distinct:,} unique of {self.generated:,}"
        # a sampler that gives a chunk twice most often does not use its seed
        if self.chunks_repeat:
            return [f"the sampler repeats its samples ({unique}): errors are too small; check that it uses its seed."]
        are = "is an exact duplicate of another" if repeated == 1 else "are exact duplicates of others"
        return [f"{repeated:,} of {self.generated:,} generated samples {are} ({unique}): errors are too small."]


def find_copies(generated: Features, reference: Features | None, *, drawn: bool) -> Copies | None:
    """Compare the content hashes of all samples; without hashes, those of the rows of the embedding.

    Repetitions that the reference suggests are not counted: a reference of few different values repeats them, too.
    ``drawn``: whether the generated samples come from a sampler, in chunks of ``CHUNK``. Returns None if there are
    neither hashes nor embeddings.
    """
    hashes, reference_hashes = _hashes_of_both(generated, reference)
    if hashes is None:
        return None

    # the share of reference samples that are in the reference twice is the chance of a copy
    count, chance, ratio = len(hashes), 0.0, 1.0
    copied, same = 0, False
    if reference_hashes is not None:
        chance = _rows_with_twins(reference_hashes) / len(reference_hashes)
        ratio = max(1.0, count / len(reference_hashes))
        copied = int(np.isin(hashes, reference_hashes).sum())
        same = bool(np.array_equal(np.sort(hashes), np.sort(reference_hashes)))
    twins = _rows_with_twins(hashes)
    repeats = drawn and _chunks_repeat(hashes)

    # more samples meet each other more often
    distinct = len(np.unique(hashes)) if repeats or twins > _expected(count, min(1.0, chance * ratio)) else count
    return Copies(count, copied if copied > _expected(count, chance) else 0, distinct, same, repeats)


def train_warnings(sides: tuple[Features, Features | None, Features] | None) -> list[str]:
    """Return a sentence about training samples among the reference, and one about those among the generated samples.

    ``sides``: generated, reference and training features. Copies that the repetitions of training samples suggest are
    not counted.
    """
    if sides is None:
        return []
    generated, reference, train = sides
    # the reference first, because its copies spoil the measurement
    warnings = []
    remedies = {
        "reference": "give samples that the model has not seen, because memorisation is measured against them",
        "generated": "the metrics of memorisation list them",
    }
    for role, side in (("reference", reference), ("generated", generated)):
        copies = None if side is None else find_copies(side, train, drawn=False)
        if copies and (copies.copied or copies.same):
            are = "is a copy of a training sample" if copies.copied == 1 else "are copies of training samples"
            counted = f"{copies.copied:,} of {copies.generated:,} {role} samples"
            warnings.append(f"{counted} {are}: {remedies[role]}.")
    return warnings


def _expected(count: int, chance: float) -> float:
    """Return the largest number of events that chance explains: the mean and three standard deviations."""
    return count * chance + 3 * math.sqrt(count * chance * (1 - chance))


def _hashes_of_both(generated: Features, reference: Features | None) -> tuple[Int64 | None, Int64 | None]:
    # hashes of contents, if both sides have them
    if generated.hashes is not None and (reference is None or reference.hashes is not None):
        return generated.hashes, None if reference is None else reference.hashes
    if "embedding" not in generated.views:
        return None, None
    return _row_hashes(generated), None if reference is None else _row_hashes(reference)


def _row_hashes(features: Features) -> Int64:
    # 8 bytes: two of a million rows have the same hash with a chance of 1 in 10 million
    digests = b"".join(
        hashlib.blake2b(np.ascontiguousarray(row).tobytes(), digest_size=8).digest()
        for block in features.each("embedding")
        for row in block
    )
    return np.frombuffer(digests, np.int64)


def _rows_with_twins(hashes: Int64) -> int:
    # all rows of a hash that occurs twice or more
    counts = np.unique(hashes, return_counts=True)[1]
    return int(counts[counts > 1].sum())


def _chunks_repeat(hashes: Int64) -> bool:
    # the last chunk may be cut, so compare it with the beginning of the others
    chunks = [hashes[start : start + CHUNK] for start in range(0, len(hashes), CHUNK)]
    whole = [chunk.tobytes() for chunk in chunks if len(chunk) == CHUNK]
    cut = chunks[-1].tobytes() if len(chunks[-1]) < CHUNK else b""
    return len(set(whole)) < len(whole) or (len(cut) >= 8 * 8 and any(chunk.startswith(cut) for chunk in whole))
