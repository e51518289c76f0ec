"""Open what ``inspect`` inspects: existing samples only, never a model or the code of a guest."""

from __future__ import annotations

import re
from pathlib import Path

from genbench.errors import InputError, UsageError, refuse_address
from genbench.plugs.contracts import Source
from genbench.plugs.known_names import refuse_statistics
from genbench.plugs.opening import open_source
from genbench.plugs.registry import installed
from genbench.plugs.specs import COMMAND
from genbench.plugs.torch_archives import SUFFIXES, described_torch_file

MODEL_SUFFIXES = {*SUFFIXES, ".onnx"}
"""Suffixes of files that samplers open, in lower case."""


def open_inspected(subject: str) -> Source:
    """Return the source of a path or the name of a data set. Raises InputError or UsageError for anything else."""
    # a model is described from its archive
    path = Path(subject).expanduser()
    if path.is_file() and path.suffix.lower() in MODEL_SUFFIXES:
        what = "a model" if path.suffix.lower() == ".onnx" else described_torch_file(path)
        raise InputError(
            f"{subject} is {what}, not a set of samples, and inspect runs no model; draw samples with "
            "`genbench sample`, if you trust the file, and inspect those."
        )
    refuse_address(subject)
    refuse_statistics(subject)
    # the names of samplers and of guests are recognised without importing them
    name = re.split("[,:]", subject)[0]
    if not path.exists() and (COMMAND.fullmatch(subject) or name in installed("samplers")):
        raise UsageError(f"{subject!r} is a sampler, but inspect needs existing samples; draw some with sample.")
    # what remains with a colon is module:attribute, and importing it would run it
    if not path.exists() and ":" in subject.partition("/")[0].partition(",")[0]:
        raise UsageError(
            f"{subject!r} is code, which inspect does not run; give a folder, an archive, an array or the name of a "
            "data set that `genbench list sources` shows."
        )
    return open_source(subject)
