"""Label sampling: which class is requested for each sample of a sampler that takes classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.array_types import Int64
from genbench.errors import UsageError, did_you_mean

LABEL_RULES = ("equal", "random", "reference")
"""Classes in turn; a uniform draw for each sample; the frequencies of the reference's classes."""

CLASS_STREAM = 1 << 40
"""Separates the random numbers of classes from those of samples, whose streams are the numbers of chunks."""


def class_count(sampler: object) -> int | None:
    """Return the number of classes of a sampler; None if it takes no classes."""
    # both attributes are optional, and a guest may use the first for something else
    classes = getattr(sampler, "classes", None)
    if not isinstance(classes, int) or classes < 1 or not hasattr(sampler, "sample_classes"):
        return None
    return classes


def check_label_rule(rule: str | None) -> None:
    """Raise UsageError unless ``rule`` is one of LABEL_RULES or None."""
    if rule is not None and rule not in LABEL_RULES:
        raise UsageError(f"There is no label sampling {rule!r}{did_you_mean(rule, LABEL_RULES)}")


@dataclass(frozen=True, eq=False)
class RequestedClasses:
    """The endless sequence of the classes that are requested of a sampler.

    It does not depend on the number of samples: the classes of 500 samples are the first 500 of those of 1,000.
    """

    rule: str
    """One of LABEL_RULES."""
    classes: int
    """Number of classes of the sampler, which are 0..classes-1."""
    seed: int = 0
    """Seed of the rule ``random``; the other rules draw nothing."""
    period: Int64 | None = None
    """int64 [P], the classes that the rule ``reference`` repeats, as ``proportional_period`` returns them."""

    def between(self, start: int, stop: int) -> Int64:
        """Return the classes of the samples ``start`` to ``stop``, int64 [stop - start]."""
        # one random number for each sample, so that the stream can be entered anywhere
        if self.rule == "random":
            stream = np.random.PCG64(np.random.SeedSequence([self.seed, CLASS_STREAM]))
            uniform = np.random.Generator(stream.advance(start)).random(stop - start)
            return (uniform * self.classes).astype(np.int64)
        # the other rules repeat a period; that of equal classes is each class once
        place = np.arange(start, stop, dtype=np.int64)
        return place % self.classes if self.period is None else self.period[place % len(self.period)]


def proportional_period(counts: Int64) -> Int64:
    """Return a sequence of classes whose every beginning has the classes in the proportions of ``counts``, int64 [K].

    The whole sequence, int64 [P], has the counts themselves, divided by their greatest common divisor. Its first n
    classes are the seats of the apportionment of Webster and Sainte-Lague (Balinski and Young 1982): the j-th sample
    of a class with share p has its turn at (j - 1/2) / p. Equal counts give each class in turn. At least one count is
    above 0.
    """
    # in whole numbers, so that equal turns are exactly equal
    counts = np.asarray(counts, np.int64) // np.gcd.reduce(counts)
    label = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(label)) - np.repeat(np.cumsum(counts) - counts, counts)
    # stable, so that the lower class comes first of two with one turn
    turn = (2 * number + 1) / (2 * counts[label])
    return label[np.argsort(turn, kind="stable")].astype(np.int64)
