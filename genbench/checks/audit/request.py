"""What to audit: the metrics, the checks, and the size of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genbench.checks.audit.image_checks import image_checks
from genbench.checks.audit.measurement import AuditedMetric
from genbench.checks.audit.mode_checks import mode_checks
from genbench.checks.audit.sample_checks import sample_checks
from genbench.checks.audit.shape_checks import shape_checks
from genbench.checks.audit.sides import AuditCheck, AuditSize
from genbench.checks.audit.support_checks import support_checks
from genbench.errors import UsageError, did_you_mean, refuse_seed
from genbench.plugs import registry
from genbench.plugs.contract_checks import check_metric
from genbench.plugs.contracts import Metric
from genbench.plugs.specs import parse_specs

FULL = AuditSize(count=500, repeats=3)
QUICK = AuditSize(count=200, repeats=3, dimensions=(8,), fine=False, interval_repeats=15)

QUICK_METRICS = "fid,kid,pr,prdc,clipped,mind"
"""What the quick audit takes by default."""

WITH_OPTIONS = {"rke": "rke,sigma=4", "rrke": "rrke,sigma=4,rows=200"}
"""Metrics with an option that has no default, and the spec that is audited."""
LEFT_OUT = {
    "divergences": "compares with a known density",
    "fd": "is the same function as fid",
    "lpips": "reads images, and the checks of diversity have points",
    "msssim": "reads images, and the checks of diversity have points",
    "sfid": "reads positions in images, and is the same function as fid",
}
"""Metrics that ``all`` leaves out, and why."""


@dataclass(frozen=True)
class AuditRequest:
    """What to audit."""

    metrics: str | Metric = "all"
    """``all``, or specs separated by commas, also of guests: ``my.module:Metric``; or one metric itself."""
    checks: str = "all"
    """``all``, or names separated by commas."""
    size: AuditSize = FULL
    seed: int = 0
    quick: bool = False

    @staticmethod
    def of(metrics: str | list[str] | Metric | None, checks: str | list[str], quick: bool, seed: int) -> AuditRequest:
        """Return the request of the whole or the quick audit. Without metrics, the quick one takes a few.

        Raises UsageError for a seed that is not a whole number from 0, a class, and lists of anything but names.
        """
        refuse_seed(seed)
        if isinstance(metrics, type):
            raise UsageError(f"{metrics.__name__} is a class; give an object of it, {metrics.__name__}().")
        if isinstance(metrics, (list, tuple)):
            metrics = _joined_names("metrics", metrics)
        chosen = (QUICK_METRICS if quick else "all") if metrics is None else metrics
        return AuditRequest(chosen, _joined_names("checks", checks), QUICK if quick else FULL, int(seed), quick)


def all_checks(size: AuditSize) -> list[AuditCheck]:
    """Return all checks, in the order of the page."""
    parts = (shape_checks, mode_checks, support_checks, image_checks, sample_checks)
    return [check for part in parts for check in part(size)]


def requested_metrics(request: str | Metric) -> tuple[list[AuditedMetric], list[str]]:
    """Return the metrics, and sentences about those that ``all`` leaves out."""
    # an object has no spec, so its class names it
    if not isinstance(request, str):
        name = type(request).__name__
        check_metric(request, name)
        return [AuditedMetric(name, request)], []
    if request == "all":
        # all installed metrics, with the options that they need
        names = [name for name in registry.installed("metrics") if name not in LEFT_OUT]
        specs: list[Any] = [WITH_OPTIONS.get(name, name) for name in names]
        notes = [f"{name} is left out: it {why}." for name, why in LEFT_OUT.items()]
    else:
        specs, notes = [str(spec) for spec in parse_specs(request)], []
    metrics = []
    for spec in dict.fromkeys(specs):
        plug = registry.load("metrics", spec)
        # a guest's class without options is made here
        check_metric(plug, spec)
        metrics.append(AuditedMetric(spec, plug))
    return metrics, notes


def requested_checks(request: AuditRequest) -> list[AuditCheck]:
    # unknown names get a suggestion
    known = {check.name: check for check in all_checks(request.size)}
    if request.checks == "all":
        return list(known.values())
    names = [name.strip() for name in request.checks.split(",") if name.strip()]
    if not names:
        raise UsageError("The list has no check; write all, or names such as mean-shift,copies.")
    for name in names:
        if name not in known:
            raise UsageError(f"There is no check called {name!r}{did_you_mean(name, known)}")
    return [known[name] for name in dict.fromkeys(names)]


def _joined_names(option: str, names: object) -> str:
    """Return names separated by commas, given so or as a list. Raises UsageError for anything else."""
    if isinstance(names, str):
        return names
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{option} is {names!r}; give names, as a text with commas or as a list of texts.")
    return ",".join(names)
