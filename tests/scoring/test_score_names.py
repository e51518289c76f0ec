"""Names tell scores, metrics and extractors apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import genbench
from genbench import Score
from genbench.errors import UsageError
from genbench.plugs.registry import load
from genbench.plugs.specs import parse_specs
from genbench.results import Entry
from genbench.scoring.evaluate_metrics import entry
from genbench.scoring.score_names import chosen_view, recorded_metric, with_distinct_names
from tests.helpers.random_weights import random_inception_weights, smooth_images

POINTS = np.random.default_rng(0).standard_normal((60, 2)).astype(np.float32)
OTHERS = np.random.default_rng(1).standard_normal((60, 2)).astype(np.float32)


def test_scores_of_one_metric_with_other_options_have_distinct_names() -> None:
    result = genbench.score(POINTS, reference=OTHERS, features="points", metrics="prdc,k=3,prdc,k=5,fd")
    names = [entry.name for entry in result.scores]
    assert {"density_k3@points", "density_k5@points", "coverage_k3@points", "fd@points"} <= set(names)
    assert len(set(names)) == len(names)
    # each has the value that it has alone
    alone = genbench.score(POINTS, reference=OTHERS, features="points", metrics="prdc,k=3")
    assert result["density_k3@points"].value == alone["density@points"].value


@dataclass(frozen=True)
class Gap:
    """A metric of a guest."""

    scale: float = 1.0
    needs: ClassVar = ("embedding",)
    reference: ClassVar = "rows"

    def __call__(self, generated: Any, reference: Any, *, seed: int) -> list[Score]:
        return [Score("gap", self.scale)]


class OtherGap(Gap):
    """A metric of another guest with the same name of its score."""


def entries(name: str) -> list[Entry]:
    return [Entry(name, name, 1.0, None, None, "points")]


def test_scores_of_two_metrics_with_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="Several metrics give a score the name 'gap@points'"):
        with_distinct_names([(Gap(), entries("gap@points")), (OtherGap(), entries("gap@points"))])


def test_the_options_come_before_the_extractor() -> None:
    groups = [(Gap(scale), entries("gap@acme@1")) for scale in (0.5, 2.0)]
    assert [entry.name for entry in with_distinct_names(groups)] == ["gap_scale0.5@acme@1", "gap_scale2.0@acme@1"]


def test_the_record_of_a_metric_has_its_options_and_no_memory_address() -> None:
    class Plain:
        def __init__(self, scale: int) -> None:
            self.scale = scale

    assert recorded_metric(Plain(3)) == recorded_metric(Plain(3))  # type: ignore[arg-type]
    assert "scale=3" in recorded_metric(Plain(3))  # type: ignore[arg-type]
    assert recorded_metric(Plain(3)) != recorded_metric(Plain(4))  # type: ignore[arg-type]
    assert recorded_metric(Gap(2.0)) == repr(Gap(2.0))


def test_two_networks_of_one_class_have_the_names_of_their_specs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two_networks.py").write_text(
        "import torch\n\nclass Net(torch.nn.Linear):\n    pass\n\nnet, other = Net(2, 2), Net(2, 2)\n"
    )
    monkeypatch.chdir(tmp_path)
    metrics = "fd@two_networks:net,fd@two_networks:other"
    result = genbench.score(POINTS, reference=OTHERS, features="points", metrics=metrics)
    assert {"fd@two_networks:net", "fd@two_networks:other"} <= {entry.name for entry in result.scores}
    assert len(set(result.extractors.values())) == 2


def test_two_extractors_that_give_themselves_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "class {}:\n    name, identity = 'same', {!r}\n    def __call__(self, x):\n        return {{'embedding': x}}\n"
    )
    (tmp_path / "same_names.py").write_text(code.format("A", "a") + code.format("B", "b") + code.format("C", "a"))
    monkeypatch.chdir(tmp_path)
    options = {"reference": OTHERS, "features": "same_names:A"}
    with pytest.raises(UsageError, match="'same_names:A' and 'same_names:B' both have the name 'same'"):
        genbench.score(POINTS, metrics="fd,fd@same_names:B", **options)  # type: ignore[arg-type]


def test_one_extractor_under_two_specs_is_one_extractor() -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 3), np.uint8)
    options = {"reference": images[::-1].copy(), "features": "pixels,size=16"}
    result = genbench.score(images, metrics="swd,swd@pixels", **options)  # type: ignore[arg-type]
    names = [entry.name for entry in result.scores]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("canonical", [True, False])
def test_the_distance_of_another_view_is_never_called_fid(canonical: bool) -> None:
    debiased = Score("fid_debiased", 1.0, key="frechet_inception_distance_debiased")
    found = entry(debiased, "inception", canonical=canonical, view="logits")
    assert found.name == "fd_debiased@inception,view=logits"
    assert found.key == "frechet_distance_debiased@inception,view=logits"
    assert found.extractor == "inception"


def test_the_name_of_the_distance_of_a_view_is_the_spec_that_computes_it() -> None:
    (spec,) = parse_specs("fd@inception,view=768")
    assert (spec.extractor, chosen_view(load("metrics", replace(spec, extractor=None)))) == ("inception", "768")


def test_only_a_view_that_an_option_chooses_is_named() -> None:
    views = {spec: chosen_view(load("metrics", spec)) for spec in ("fid", "fid,view=embedding", "sfid", "kid")}
    assert not any(views.values())
    assert chosen_view(load("metrics", "fid,view=logits")) == "logits"


@pytest.mark.slow
def test_views_of_several_resizes_are_named_once(tmp_path: Path) -> None:
    images = smooth_images(6, size=24, seed=1)
    path = random_inception_weights(tmp_path / "random.pth", seed=4)
    result = genbench.score(
        images, reference=images[::-1].copy() // 2, resizes="tf,torchmetrics", weights=str(path), cache=False,
        metrics="fid,view=64", device="cpu",
    )  # fmt: skip
    names = [one.name for one in result.scores if "debiased" not in one.name]
    assert names == ["fd@inception,view=64", "fd@inception,resize=torchmetrics,view=64"]
