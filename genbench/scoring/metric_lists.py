"""Lists of metrics: the specs that the option ``metrics`` names, with groups of metrics written out."""

from __future__ import annotations

from dataclasses import replace

from genbench.errors import UsageError, did_you_mean
from genbench.plugs.registry import installed
from genbench.plugs.specs import Spec, parse_specs

METRIC_GROUPS = {"adm": "is,split_size=5000,shuffle=false,fid,sfid,pr,k=3"}
"""Names that stand for several metrics.

``adm``: the five of guided-diffusion's evaluator (Dhariwal and Nichol 2021, arXiv 2105.05233), which the papers on
diffusion models report on ImageNet: Inception Score over splits of 5,000 samples in their order, the last of which may
be shorter; FID; sFID; precision and recall with three neighbours, ``<=``, against all samples of the reference, which
are 10,000 in ADM's files.
"""

NO_REFERENCE = (
    "Without a reference only the Inception Score can be computed: add --reference (a folder of real images, their "
    "statistics, or a data set) for FID, KID, precision and recall."
)
"""The hint about the default metrics if there is no reference."""


def metric_specs(text: str) -> list[Spec]:
    """Return the specs of a list of metrics; ``adm@X`` gives every metric of the group the extractor ``X``.

    Raises UsageError for a name that is neither a metric nor a group, and for a group with options.
    """
    specs: list[Spec] = []
    known = [*installed("metrics"), *METRIC_GROUPS]
    for spec in parse_specs(text):
        if ":" not in spec.name and spec.name not in known:
            raise UsageError(f"There is no metric called {spec.name!r}{did_you_mean(spec.name, known)}")
        if spec.name not in METRIC_GROUPS:
            specs.append(spec)
            continue
        # the options of a group are what its name stands for
        members = METRIC_GROUPS[spec.name]
        if spec.options:
            raise UsageError(f"{spec.name!r} has no options; write out its metrics with others instead: {members}.")
        specs += [replace(member, extractor=spec.extractor) for member in parse_specs(members)]
    return specs
