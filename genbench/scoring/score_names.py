"""Names of scores and of metrics: scores of one metric with other options have distinct names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from genbench.errors import UsageError
from genbench.plugs.contracts import WITH_TRAIN, Metric
from genbench.results import Entry


def with_distinct_names(groups: Sequence[tuple[Metric, Sequence[Entry]]]) -> list[Entry]:
    """Return the entries of all metrics; where names are the same, the options that differ are added to them.

    ``prdc,k=3,prdc,k=5`` gives ``density_k3`` and ``density_k5``. Raises UsageError if no option differs.
    """
    counts = Counter(entry.name for _, entries in groups for entry in entries)
    named: list[Entry] = []
    for metric, entries in groups:
        for entry in entries:
            if counts[entry.name] > 1:
                sharing = [other for other, others in groups if entry.name in [one.name for one in others]]
                entry = _with_suffix(entry, _options_that_differ(metric, sharing))
            named.append(entry)
    # metrics of different packages, or without options that can be read
    repeated = [name for name, count in Counter(entry.name for entry in named).items() if count > 1]
    if repeated:
        raise UsageError(
            f"Several metrics give a score the name {repeated[0]!r}, so they could not be told apart; ask for one "
            "of them at a time."
        )
    return named


def chosen_view(metric: Metric) -> str:
    """Return the view that a metric reads by an option, ``fid,view=logits``; empty if it is the one of its class."""
    view = getattr(metric, "view", "embedding")
    return "" if view in ("embedding", getattr(type(metric), "view", "embedding")) else str(view)


def recorded_metric(metric: Metric, *, train: bool = False) -> str:
    """Return a metric with all its options, for the record, as far as they are known; without memory addresses.

    ``train``: whether training samples were given, which some metrics take and others need.
    """
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(metric))
    options = ", ".join(f"{name}={value!r}" for name, value in sorted(getattr(metric, "__dict__", {}).items()))
    # an object without a repr of its own: its options are its attributes
    text = f"{text[:-1]} {options}>" if text != repr(metric) and options and text.endswith(">") else text
    # the score of a metric that can do without them is another one with them
    return text + WITH_TRAIN if train and getattr(metric, "training_rows", None) == "optional" else text


def _options_that_differ(metric: Metric, sharing: Sequence[Metric]) -> dict[str, object]:
    """Return the options of a metric in which it differs from others of its class."""
    # the attributes of a dataclass or of another object
    options = dict(getattr(metric, "__dict__", {}))
    others = [getattr(other, "__dict__", {}) for other in sharing if type(other) is type(metric)]
    return {name: value for name, value in options.items() if any(other.get(name) != value for other in others)}


def _with_suffix(entry: Entry, options: dict[str, object]) -> Entry:
    """Return an entry with options behind the names of its score, before its extractor."""
    suffix = "".join(f"_{name}{re.sub(r'[^0-9A-Za-z.+-]+', '-', str(value))}" for name, value in options.items())
    (name, *name_at), (key, *key_at) = (re.split("(?=@)", text, maxsplit=1) for text in (entry.name, entry.key))
    return replace(entry, name="".join([name, suffix, *name_at]), key="".join([key, suffix, *key_at]))
