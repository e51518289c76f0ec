"""Any text as a spec, and any value as an option: it is used, or refused in one sentence."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from genbench import score
from genbench.extraction.extract import extract
from genbench.plugs.opening import open_extractor, open_sampler, open_source
from genbench.plugs.registry import installed, plug
from genbench.plugs.specs import parse_specs
from genbench.sources.memory import ArraySource
from tests.helpers.mutations import accepts, trials

RNG = np.random.default_rng(0)
POINTS = RNG.standard_normal((60, 3)).astype(np.float32)
IMAGES = RNG.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)

VALUES = ("-1", "0", "3", "1.5", "1e308", "nan", "inf", "-inf", str(2**70), "", "x", "true", "none", "a=b", "é\u2028")
"""Values of every type that an option can have; none is right for every option."""

SPECS = ("fd", "is,splits=10", "kid,subsets=5", "prdc,k=5", "fd@points,error=none", "ring,count=300,seed=7", "a:b")


@given(some.text(alphabet=some.characters(exclude_categories=["Cs"]), max_size=40) | some.from_regex(r"[a-c,=@:. ]*"))
@settings(deadline=None, max_examples=200)
def test_any_text_is_a_list_of_specs_or_a_usage_error(text: str) -> None:
    specs = []
    if not accepts(lambda: specs.extend(parse_specs(text)), repr(text)):
        return
    # what is read is written so that it reads the same
    assert [str(each) for each in parse_specs(",".join(map(str, specs)))] == [str(each) for each in specs]


def scored(metric: str) -> None:
    for samples, extractor in ((POINTS, "points"), (IMAGES, "pixels,size=4"), (IMAGES, "digits")):
        score(samples[:30], reference=samples[30:], features=extractor, metrics=metric, cache=False, progress=False)


def extracted(spec: str) -> None:
    extract(ArraySource(IMAGES[:4]), open_extractor(spec, device="cpu"))


def opened(spec: str) -> None:
    source = open_source(spec)
    next(iter(source.batches(4)), None)


OPEN: dict[str, Callable[[str], object]] = {
    "metrics": scored, "extractors": extracted, "sources": opened, "samplers": open_sampler
}  # fmt: skip


def options(kind: str) -> Iterator[str]:
    """Yield a spec for each option of each plug of a kind with each value."""
    for name in installed(kind):
        # nothing is downloaded in a test
        for option in plug(kind, name).parameters.keys() - {"download"}:
            yield from (f"{name},{option}={value}" for value in VALUES)


@pytest.mark.parametrize("count", trials(20, 10_000))
@pytest.mark.parametrize("kind", OPEN)
def test_any_value_of_an_option_is_used_or_refused_in_one_sentence(
    kind: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    specs = sorted(options(kind))
    for spec in random.Random(0).sample(specs, min(count, len(specs))):
        accepts(lambda spec=spec: OPEN[kind](spec), spec)
