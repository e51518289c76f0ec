"""Every score of every metric is explained by the line of ``genbench list``."""

from __future__ import annotations

import pytest

from genbench.page.metric_legend import about_score
from genbench.plugs.declarations import about_plug
from genbench.plugs.specs import parse_spec
from tests.metrics.test_laws import METRICS, plain

TWINS = {"fd": "fid"}
"""Two names of one metric."""


@pytest.mark.parametrize("metric", METRICS)
def test_a_score_is_explained_by_the_line_of_its_metric(metric: str) -> None:
    name = parse_spec(metric).name
    for score in plain(metric):
        assert about_score(f"{score}@digits") == about_plug("metrics", TWINS.get(name, name)), score


@pytest.mark.parametrize("score", ["kl", "reverse_kl", "jsd", "tv", "w1", "w2"])
def test_a_divergence_is_explained(score: str) -> None:
    assert about_score(f"{score}@points,toy=ring") == about_plug("metrics", "divergences")


@pytest.mark.parametrize("score", ["fd", "fd_debiased", "kd", "fd_per_class", "fid_infinity", "sfd"])
def test_the_names_of_distances_with_other_features_are_known(score: str) -> None:
    assert about_score(f"{score}@digits") == about_score(score.replace("fd", "fid").replace("kd", "kid"))
    assert about_score(score)


def test_a_panel_and_a_likelihood_are_explained_and_an_unknown_score_is_not() -> None:
    assert "perfect: 1" in about_score("fdr@offline")
    assert about_score("iwae_10").startswith("Importance-weighted")
    assert about_score("guess@digits") == ""
