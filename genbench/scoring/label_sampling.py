"""Label sampling of a score: which classes are requested of a sampler, and how the record says it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from genbench.array_types import Int64
from genbench.derived_sources import Drawn
from genbench.errors import UsageError
from genbench.features.class_matching import Classes, match_classes
from genbench.features.features import Features
from genbench.plugs.contracts import Source
from genbench.plugs.requested_classes import RequestedClasses, class_count, proportional_period


def with_requests(drawn: Drawn, rule: str, reference: Source | Features | None) -> Drawn:
    """Return the samples whose classes follow a rule of LABEL_RULES; the same samples if the sampler takes no classes.

    Raises UsageError if the classes of the reference are needed and unknown, InputError if the sampler has none of
    them.
    """
    # unconditional samplers ignore the rule
    classes = class_count(drawn.sampler)
    if classes is None:
        return drawn
    if rule != "reference":
        return replace(drawn, requests=RequestedClasses(rule, classes, drawn.seed))

    # the reference's own frequencies need its labels
    label, names = reference_labels(reference)
    if reference is None or label is None:
        raise UsageError(
            "--labels reference needs the classes of the reference samples: give a folder with a sub-folder for each "
            "class, or an archive, an array or a data set with labels; or choose --labels equal or random."
        )
    # how often each class of the sampler occurs, matched by name
    own = Classes(drawn.name, np.arange(classes), None if drawn.class_names is None else tuple(drawn.class_names))
    matched = match_classes(own, Classes(reference.name, label, names))
    occurring = np.bincount(matched.other_label[matched.other_label >= 0], minlength=len(matched.names))
    counts = np.where(matched.label >= 0, occurring[matched.label], 0)
    # the proportions of some classes are not those of all
    missing = int((matched.other_label < 0).sum())
    notes = [f"takes no class for {missing:,} of {len(label):,} reference samples, which --labels reference leaves out"]
    requests = RequestedClasses(rule, classes, drawn.seed, proportional_period(counts))
    return replace(drawn, requests=requests, notes=notes if missing else ())


def reference_labels(side: Source | Features | None) -> tuple[Int64 | None, tuple[str, ...] | None]:
    """Return the class of each row of a side, int64 [N], and the names of its classes, as far as they are known."""
    # features know the labels of their rows, and sources may know them without decoding
    label = side.label if isinstance(side, Features) else getattr(side, "labels", None)
    names = getattr(side, "class_names", None)
    return (
        None if label is None else np.asarray(label, np.int64),
        None if names is None else tuple(map(str, names)),
    )


def recorded_labels(source: object, label: Int64 | None) -> str:
    """Return how the samples of a source got their classes, for the record of a result.

    It is a rule of LABEL_RULES if the classes were requested, ``given, equal counts`` or ``given, unequal counts`` if
    the samples came with classes, and empty if they have none.
    """
    # labels that were requested, and labels that came with the samples
    rule = str(getattr(source, "label_rule", ""))
    if rule or label is None:
        return rule
    counts = np.unique(label, return_counts=True)[1]
    return "given, equal counts" if counts.min() == counts.max() else "given, unequal counts"


def unused_labels(source: Source | Features, rule: str | None) -> list[str]:
    """Return a sentence if a rule was asked for, but no classes are requested of a source; otherwise nothing."""
    if rule is None or getattr(source, "label_rule", None):
        return []
    return [f"--labels {rule} changes nothing, because no classes are requested of {source.name}."]
