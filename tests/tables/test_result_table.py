"""Test the text of one result: alignment, digits, and unusual numbers."""

from __future__ import annotations

import math

import pytest

from genbench.results import Entry, Result, SampleSet
from genbench.results.rounding import number_with_error
from genbench.tables.numbers import counted, set_aside
from genbench.tables.result_table import result_text


def result(*entries: Entry, reference: SampleSet | None = None, skipped: int = 0, name: str = "out/") -> Result:
    return Result(
        name=name,
        scores=entries,
        generated=SampleSet("out/", 1000, "abc", skipped),
        reference=reference,
        benchmark=None,
        metrics=(),
        extractors={"inception": "weights"},
        seed=0,
        device="cpu",
        batch_size=32,
        created="2025-01-01T00:00:00+00:00",
        seconds=1.25,
        versions={},
    )


def entry(name: str, value: float, error: float | None = None, **detail: object) -> Entry:
    return Entry(name, name, value, error, "lower", "inception", detail)


@pytest.mark.parametrize(
    ("value", "error", "written"),
    [
        (12.3456789, 0.1234, ("12.35", "± 0.12")),
        (12.3456789, 0.0123, ("12.346", "± 0.012")),
        (12.3456789, 1.5, ("12.3", "± 1.5")),
        (12.3456789, 45.0, ("12", "± 45")),
        (-0.31, 0.05, ("-0.310", "± 0.050")),
        (123456.7, 2345.6, ("123457", "± 2346")),
    ],
)
def test_a_value_has_the_digits_that_its_error_allows(value: float, error: float, written: tuple[str, str]) -> None:
    assert number_with_error(value, error) == written


def test_a_value_without_error_has_five_digits_and_no_error() -> None:
    assert number_with_error(3.14159265, None) == ("3.1416", "")


def test_an_exact_value_says_so() -> None:
    assert number_with_error(8.0, 0.0) == ("8", "± 0")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_shown_without_error(value: float) -> None:
    assert number_with_error(value, 0.1) == (str(value), "")


@pytest.mark.parametrize("error", [math.nan, math.inf])
def test_an_error_that_is_not_finite_is_shown(error: float) -> None:
    assert number_with_error(1.5, error) == ("1.5", f"± {error}")


@pytest.mark.parametrize(
    ("value", "error"), [(1.2345e-12, 3e-14), (5e-324, 5e-324), (1.5e300, 1e290), (-2.5e17, 3.0), (0.0, 2.8e-10)]
)
def test_tiny_and_huge_values_have_an_exponent_and_stay_short(value: float, error: float) -> None:
    written, spread = number_with_error(value, error)
    assert "e" in written
    assert "e" in spread
    assert len(written) <= 12
    assert float(written) == pytest.approx(value, rel=1e-4)
    assert float(spread.removeprefix("± ")) == pytest.approx(error, rel=0.05, abs=5e-324)


def test_the_columns_are_aligned() -> None:
    long = entry("frechet_distance@pixels,size=8", 1234.5, 0.5, expected=1.0)
    lines = result_text(result(entry("is", 9.5, 0.01, expected=10.0), long, entry("kid", math.nan))).splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("metric"))
    rows = lines[header + 2 :]
    assert len(rows) == 3
    arrow = rows[0].index("↓")
    assert {row.index("↓") for row in rows} == {arrow}
    assert {row.index("±") for row in rows[:2]} == {lines[header].index("±")}
    assert {row.index("perfect:") for row in rows[:2]} == {rows[0].index("perfect:")}
    assert [line for line in lines if line != line.rstrip()] == []


def test_numbers_end_in_the_same_column() -> None:
    lines = result_text(result(entry("a", 1234.5, 0.5), entry("b", 1.5, 0.5))).splitlines()
    assert lines[-1].index("1.50") + 4 == lines[-2].index("1234.50") + 7


def test_the_heading_names_the_samples_the_reference_and_the_number_left_out() -> None:
    text = result_text(result(entry("fid", 1.0, 0.1), reference=SampleSet("real.npz", None, "def"), skipped=3))
    assert text.startswith(
        "out/: 1,000 samples (3 left out as corrupt)\nagainst real.npz: an unknown number of samples\n"
    )
    assert "features: inception, on cpu, 1.2 s" in text


def test_one_sample_is_written_in_the_singular() -> None:
    assert [counted(count) for count in (0, 1, 2, 1000)] == ["0 samples", "1 sample", "2 samples", "1,000 samples"]


def test_without_expected_values_there_is_no_empty_column() -> None:
    lines = result_text(result(entry("a", 1234.5, 0.5))).splitlines()
    assert lines[-2].rindex("  ") < lines[-1].index("±") <= lines[-2].rindex("  ") + 2


def test_the_plain_table_is_ascii_and_aligned() -> None:
    text = result_text(result(entry("a", 1234.5, 0.5, expected=0.0), entry("b", 1.5, expected=0.0)), plain=True)
    assert text.isascii()
    first, second = text.splitlines()[-2:]
    assert first.index("perfect:") == second.index("perfect:")
    assert "+- 0.50" in first


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        (SampleSet("a", 5, "", 0, {}, (0, 255)), ""),
        (SampleSet("a", 5, "", 3), " (3 left out as corrupt)"),
        (SampleSet("a", 5, "", 0, {"other files": 1}), " (not used: 1 other file)"),
        (SampleSet("a", 5, "", 0, {"hidden files": 2, "gif files": 1200, "further frames": 0}),
         " (not used: 2 hidden files, 1,200 gif files)"),
        (SampleSet("a", 5, "", 1, {"further arrays": 2}, (0, 1)),
         " (1 left out as corrupt; not used: 2 further arrays; levels 0 to 1)"),
    ],
)  # fmt: skip
def test_what_is_set_aside_and_odd_levels_are_told(samples: SampleSet, text: str) -> None:
    assert set_aside(samples) == text
    shown = " ".join(result_text(result(entry("fid", 1.0), reference=samples)).split())
    assert f"a: 5 samples{text} features:" in shown
