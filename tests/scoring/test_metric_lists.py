"""Groups of metrics stand for the metrics that they name."""

from __future__ import annotations

import pytest

from genbench.errors import UsageError
from genbench.plugs.specs import parse_specs
from genbench.scoring.metric_lists import metric_specs


def test_adm_stands_for_the_five_of_its_evaluator() -> None:
    assert metric_specs("adm") == parse_specs("is,split_size=5000,shuffle=false,fid,sfid,pr,k=3")


def test_a_group_stands_among_other_metrics_and_passes_its_extractor_on() -> None:
    assert [str(spec) for spec in metric_specs("kid,adm@x")] == [
        "kid",
        "is@x,split_size=5000,shuffle=false",
        "fid@x",
        "sfid@x",
        "pr@x,k=3",
    ]


def test_a_group_has_no_options() -> None:
    with pytest.raises(UsageError, match=r"'adm' has no options; write out its metrics .*sfid"):
        metric_specs("adm,k=5")


@pytest.mark.parametrize(("typed", "meant"), [("adms", "adm"), ("sfidd", "sfid")])
def test_a_mistyped_name_suggests_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean '{meant}'"):
        metric_specs(f"is,{typed}")


def test_a_guests_metric_is_no_unknown_name() -> None:
    assert next(spec.name for spec in metric_specs("acme:distance,adm")) == "acme:distance"
