"""The extractor of metrics that do not name one: Inception for images, or a network that needs no download."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from genbench.distributed import Ranks
from genbench.errors import MissingWeightsError
from genbench.plugs.registry import installed, load
from genbench.plugs.specs import Spec
from genbench.scoring.metric_lists import metric_specs
from genbench.scoring.options import Options

FID_NETWORK = "inception"
INSTALLED_NETWORK = "efficientnet-lite0"
"""Its weights are installed with genbench."""

_REPLACED = f"scored with {INSTALLED_NETWORK} instead"

NAMES_OF_INCEPTION = ("fid", "kid", "sfid")
"""Scores that only Inception gives: other features have ``fd@...`` and ``kd@...`` instead, and no ``sfid``."""

RUN_CODE = ("module", "torchscript")
"""Extractors that run code of a file."""


def default_network(
    options: Options, from_files: Sequence[str], preferred: str | None, find_weights: Callable[[str], object]
) -> tuple[str, tuple[str, ...]]:
    """Return the extractor of images where none is named, and a sentence if it replaces Inception.

    ``from_files``: the extractors of the sides that are features or statistics from files; empty texts are unknown.
    ``preferred``: the network if nothing asks for another one; None means Inception, if ``find_weights`` does not raise
    MissingWeightsError for its name. Raises MissingWeightsError if the weights of both networks are missing.
    """
    specs = metric_specs(options.metrics) if options.metrics is not None else []
    # metrics that are all defined by one extractor need no other one, and --weights are its weights
    own = [spec.extractor or _defined_by(spec) for spec in specs]
    if len(set(own)) == 1 and own[0] is not None and specs[0].extractor is None:
        return own[0], ()
    # the user asks for FID by name, or gives the weights of its network; a file leaves no choice for kid
    names = NAMES_OF_INCEPTION if not from_files else ("fid", "sfid")
    if options.weights is not None or any(s.extractor is None and s.name in names for s in specs):
        return FID_NETWORK, ()
    # features and statistics can be compared with features of their own extractor only
    if from_files:
        return _named_by_files(from_files), ()
    # nothing is searched for if each metric names its extractor
    if preferred is not None or (own and None not in own):
        return preferred or FID_NETWORK, ()
    missing = _missing_weights(find_weights, options.ranks)
    return (INSTALLED_NETWORK, (_replacement(missing),)) if missing else (FID_NETWORK, ())


def _defined_by(spec: Spec) -> str | None:
    """Return the extractor that a metric is defined by, as LPIPS is, or None. Raises UsageError for unknown metrics."""
    metric = load("metrics", replace(spec, extractor=None))
    extractor: str | None = getattr(metric, "extractor", None)
    return extractor


def _named_by_files(from_files: Sequence[str]) -> str:
    """Return the extractor that all files name, or Inception if they do not, or if it may not be opened for a file."""
    # a module of a guest or a TorchScript program runs code, which only the user may ask for
    name, plug = from_files[0], from_files[0].partition(",")[0]
    usable = set(from_files) == {name} and plug in installed("extractors") and plug not in RUN_CODE
    return name if usable else FID_NETWORK


def _missing_weights(find_weights: Callable[[str], object], ranks: Ranks | None) -> str:
    """Return the description of Inception's weights if they cannot be had, or an empty text."""
    missing = ""
    try:
        find_weights(FID_NETWORK)
    except MissingWeightsError as error:
        missing = error.file
        # without either, the error is about the network of FID
        try:
            find_weights(INSTALLED_NETWORK)
        except MissingWeightsError:
            raise error from None
    # all processes choose the same network: one without weights is enough
    if ranks is not None:
        choice = ranks.store.add(f"choices of rank {ranks.rank}", 1)
        missing = next(filter(None, ranks.exchange(f"choice {choice} of the network", missing)), "")
    return missing


def _replacement(missing: str) -> str:
    return (
        f"FID needs {missing}, which is not on this computer and cannot be downloaded; {_REPLACED}, reported as "
        f"fd@{INSTALLED_NETWORK} and so on: name one of the two with --features, so that every run uses the same."
    )


def replacements(hints: Iterable[str]) -> tuple[str, ...]:
    """Return those hints, each once, that say that the installed network replaces Inception."""
    return tuple(dict.fromkeys(hint for hint in hints if _REPLACED in hint))
