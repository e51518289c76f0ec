"""A Result and its JSON lines."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genbench.comparison.comparability import differing_fields, require_comparable
from genbench.errors import InputError
from genbench.plugs.contracts import Influence, Score
from genbench.results import Result, SampleSet, read_results
from genbench.scoring.evaluate_metrics import entry
from genbench.scoring.score import score

FID = Score("fid", 3.5, 0.1, "lower", key="frechet_inception_distance")
KID = Score("kid_subsets", 0.01, None, "lower", {"std": 0.002}, "kernel_inception_distance_mean")


def result(*entries: object) -> Result:
    return Result(
        name="a",
        scores=entries,  # type: ignore[arg-type]
        generated=SampleSet("a", 10, "abc"),
        reference=SampleSet("b", None, ""),
        benchmark=None,
        metrics=("FrechetDistance()",),
        extractors={"digits": "digits@1"},
        seed=0,
        device="cpu",
        batch_size=32,
        created="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        versions={"genbench": "0"},
    )


def test_only_fids_own_inception_may_be_called_fid() -> None:
    assert entry(FID, "inception", canonical=True).name == "fid"
    other = entry(FID, "digits", canonical=False)
    assert (other.name, other.key) == ("fd@digits", "frechet_distance@digits")


def test_values_hold_every_number_under_its_name_in_tables() -> None:
    values = result(entry(FID, "inception", canonical=True), entry(KID, "inception", canonical=True)).values
    assert values == {
        "fid": 3.5,
        "fid_error": 0.1,
        "kid_subsets": 0.01,
        "kid_subsets_std": 0.002,
    }


def test_a_result_reads_back_as_it_was_written(tmp_path: Path) -> None:
    first = result(entry(FID, "digits", canonical=False))
    second = replace(first, name="b", warnings=("few samples",))
    for one in (first, second):
        one.append(tmp_path / "results.jsonl")
    assert read_results(tmp_path / "results.jsonl") == [first, second]


def test_json_has_no_nan() -> None:
    line = result(entry(FID._replace(value=float("nan"), error=float("inf")), "x", canonical=False)).to_json()
    assert json.loads(line)["scores"][0]["value"] is None


def test_a_line_that_is_no_result_is_named(tmp_path: Path) -> None:
    result(entry(FID, "digits", canonical=False)).append(tmp_path / "results.jsonl")
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(InputError, match=r"results.jsonl, line 2 is not a result"):
        read_results(tmp_path / "results.jsonl")


def test_a_score_is_found_by_either_name() -> None:
    one = result(entry(FID, "digits", canonical=False))
    assert one["fd@digits"].value == one["frechet_distance@digits"].value == 3.5
    with pytest.raises(KeyError, match="this result has fd@digits"):
        one["fid"]


RECORD = json.loads(result(entry(FID, "digits", canonical=False), entry(KID, "x", canonical=False)).to_json())
WRONG: list[tuple[str, object, str]] = [
    ("extractors", float("nan"), "extractors is NaN, not an object"),
    ("name", 3, "name is 3, not a text"),
    ("seed", "3", 'seed is "3", not a whole number'),
    ("scores", {"fd": 1}, "scores is an object, not a list"),
    ("versions", ["1"], "versions is a list, not an object"),
    ("created", "yesterday", "created is .*, but must be a time"),
    ("batch_size", -1, "batch_size is -1, but must be 0 or more"),
    ("batch_size", 10**200, "a number has 201 digits"),
    ("metrics", None, "metrics is null, not a list"),
    ("generated", {**RECORD["generated"], "count": -5}, "generated.count is -5"),
    ("generated", {**RECORD["generated"], "levels": [0, 256]}, r"generated.levels\[1\] is 256"),
    ("scores", [{**RECORD["scores"][0], "value": "3.5"}], r"scores\[0\].value is \"3.5\", not a number"),
    ("scores", [{**RECORD["scores"][0], "better": "up"}], r"scores\[0\].better is \"up\", not one of"),
    ("scores", [{**RECORD["scores"][0], "parts": {"generated": [0.5]}}], "must be lists of 32 numbers"),
    ("scores", [{**RECORD["scores"][0], "parts": {"generated": ["x"] * 32}}], r"parts.generated\[0\] is \"x\""),
    ("schema", 2, "written by another version"),
]


@pytest.mark.parametrize(("field", "value", "message"), WRONG)
def test_a_field_of_the_wrong_type_is_named_with_file_and_line(
    tmp_path: Path, field: str, value: object, message: str
) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(RECORD) + "\n" + json.dumps({**RECORD, field: value}) + "\n")
    with pytest.raises(InputError, match=f"results.jsonl, line 2 is not a result of genbench .*{message}"):
        read_results(path)


def test_a_value_that_is_not_finite_is_nan_when_it_is_read(tmp_path: Path) -> None:
    diverged = result(entry(FID._replace(value=float("inf")), "digits", canonical=False))
    diverged.append(tmp_path / "results.jsonl")
    (read,) = read_results(tmp_path / "results.jsonl")
    assert math.isnan(read.scores[0].value)
    assert read.to_json() == diverged.to_json()


def test_a_detail_called_std_may_be_anything() -> None:
    assert (
        "kernel_inception_distance_std"
        not in result(entry(KID._replace(detail={"std": None}), "inception", canonical=True)).values
    )


def test_names_with_line_separators_and_lone_surrogates_read_back(tmp_path: Path) -> None:
    names = ["a\u2028b", "c\u0085d", "e\u000bf", "g\udcffh", "\ufeffi"]
    for name in names:
        replace(result(), name=name).append(tmp_path / "results.jsonl")
    assert [each.name for each in read_results(tmp_path / "results.jsonl")] == [
        name.replace("\udcff", "?") for name in names
    ]


def test_a_result_without_a_spec_is_older(tmp_path: Path) -> None:
    older = {key: value for key, value in RECORD.items() if key != "spec"}
    (tmp_path / "results.jsonl").write_text(json.dumps(older))
    assert read_results(tmp_path / "results.jsonl")[0].spec == ""


def test_a_score_keeps_what_the_user_typed() -> None:
    options: dict[str, Any] = {"features": "pixels,size=4", "metrics": "swd", "name": "n", "progress": False}
    typed = score("digits,split=test", reference="digits,split=train", **options)
    assert (typed.name, typed.spec) == ("n", "digits,split=test")


def test_a_detail_of_any_type_is_stored_as_text(tmp_path: Path) -> None:
    odd = result(entry(FID._replace(detail={"set": {1}, "path": Path("a"), 3: b"b"}), "x", canonical=False))
    odd.append(tmp_path / "results.jsonl")
    assert read_results(tmp_path / "results.jsonl")[0].scores[0].detail == {"set": "{1}", "path": "a", "3": "b'b'"}


def test_a_result_that_could_not_be_read_is_not_stored(tmp_path: Path) -> None:
    odd = result(entry(FID._replace(influence=Influence((0.5,))), "x", canonical=False))
    with pytest.raises(InputError, match=r"could not be read again \(scores\[0\].parts .* lists of 32 numbers"):
        odd.append(tmp_path / "results.jsonl")
    assert not (tmp_path / "results.jsonl").exists()


def test_a_line_with_one_score_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    record = result(entry(FID, "x", canonical=False)).to_dict()
    record["scores"] = record["scores"] * 2
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(InputError, match=r"r\.jsonl, line 1 .*the score 'fd@x' twice"):
        read_results(path)


def test_options_that_were_swapped_between_extractors_are_another_protocol(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    options: dict[str, Any] = {"reference": images[::-1].copy() // 2, "features": "pixels,size=4", "progress": False}
    one, other = (
        score(images, metrics=f"kid{first},degree=2,kid{second}", **options)
        for first, second in (("", "@spectrum"), ("@spectrum", ""))
    )
    # the same metrics and extractors, but not the same numbers
    assert (set(one.metrics), set(one.extractors)) == (set(other.metrics), set(other.extractors))
    fields = {f"metric KernelDistance@{extractor}" for extractor in ("pixels,size=4", "spectrum")}
    assert set(differing_fields([one, other])) == fields
    with pytest.raises(InputError, match="differ in metric KernelDistance@pixels,size=4"):
        require_comparable([one, other])
    one.append(tmp_path / "results.jsonl")
    assert read_results(tmp_path / "results.jsonl")[0].protocol == one.protocol


@pytest.mark.parametrize("metrics", ["kid", "kid,kid@spectrum"])
def test_a_result_of_an_older_file_has_the_protocol_of_a_new_one_if_it_can_be_known(metrics: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    new = score(images, reference=images[::-1].copy() // 2, features="pixels,size=4", metrics=metrics, progress=False)
    older = replace(new, metric_extractors=())
    assert older.protocol == new.protocol
    assert older.protocol_fingerprint == new.protocol_fingerprint


def test_a_metric_without_its_extractor_is_refused(tmp_path: Path) -> None:
    broken = replace(result(), metric_extractors=("digits", "digits"))
    (tmp_path / "results.jsonl").write_text(f"{broken.to_json()}\n")
    with pytest.raises(InputError, match="it has 1 metrics and 2 metric_extractors"):
        read_results(tmp_path / "results.jsonl")


CHECKSUM = "b5e26dde38e1d53c97339559e778d6bc45ea934f7518524365e6fb4dcbd22718"


@pytest.mark.parametrize(
    ("identity", "fields"),
    [
        (
            f"classifier,gray=mean,resize=antialiased-triangle,quality=0.7,weights={CHECKSUM}",
            {"": "classifier,gray=mean,quality=0.7", " resize": "antialiased-triangle", " weights": CHECKSUM[:12]},
        ),
        ("pixels,size=16,resize=antialiased-triangle", {"": "pixels,size=16", " resize": "antialiased-triangle"}),
        (
            f"Inception(resize='torchmetrics'), implementation=1, weights={CHECKSUM},precision=bf16",
            {"": "Inception, implementation=1,precision=bf16", " resize": "torchmetrics", " weights": CHECKSUM[:12]},
        ),
        ("Net(resize='a, b', depth=2), dtype=float64", {"": "Net(depth=2)", " resize": "a, b", " dtype": "float64"}),
        ("spectrum,version=1", {"": "spectrum,version=1"}),
    ],
)
def test_the_protocol_shows_the_options_of_an_extractor_whole_and_clean(identity: str, fields: dict[str, str]) -> None:
    protocol = replace(result(), extractors={"x": identity}).protocol
    assert {name: text for name, text in protocol.items() if name.startswith("x")} == {
        f"x{name}": text for name, text in fields.items()
    }
