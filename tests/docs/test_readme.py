"""README: short, with the two commands that CI runs, and examples that work."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, examples, page, run_command, run_examples, section

README = page("README.md")


def test_readme_is_short() -> None:
    assert len(README.encode()) <= 12_000


@pytest.mark.parametrize(
    ("marker", "command"),
    [
        ("command 1", "pip install -c constraints.txt . && genbench run digits --budget quick"),
        ("command 2", "pip install -c constraints.txt -e '.[test]' && pytest"),
    ],
)
def test_ci_reads_the_two_commands_from_readme(marker: str, command: str) -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (function,) = (line for line in script.splitlines() if line.startswith("command_after()"))
    assert f"$(command_after '{marker}')" in script
    found = subprocess.run(
        ["bash", "-c", f"{function}\ncommand_after '{marker}'"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == command


def test_the_sampler_in_readme_is_scored_and_the_python_example_runs(empty_folder: Path) -> None:
    run_examples("\n".join(f"```python\n{one.code}```" for one in examples(README) if one.language == "python"))
    (command,) = (
        command
        for example in examples(section(README, "## Five minutes"))
        for command in example.commands
        if command.startswith("genbench score --sampler my_models:Blobs,size=8")
    )
    assert "fd@digits" in run_command(command)


def test_the_tables_in_readme_name_every_benchmark_metric_and_shipped_extractor() -> None:
    from genbench.plugs.registry import installed

    tables = section(README, "## What is included")
    opened_by_path = {"module", "torchscript"}
    sizes_of_dinov2 = {name for name in installed("extractors") if name.startswith("dinov2")} - {"dinov2-vit-l-14"}
    names = {*installed("benchmarks"), *installed("metrics"), *installed("extractors")}
    for name in names - opened_by_path - sizes_of_dinov2:
        assert f"`{name}" in tables, f"{name} is in no table"


def test_what_metrics_are_blind_to_is_what_the_audit_found() -> None:
    # the scores of each metric in the report, and the checks that each score fails
    scores: dict[str, list[str]] = {}
    fails: dict[str, list[str]] = {}
    report = section(page("reports/audit.md"), "## What each score is blind to").replace("\\", "")
    for metric, label, failed in re.findall(r"^\| (\S+) \| (\S+) [↓↑] \| (.*) \|$", report, re.MULTILINE):
        scores.setdefault(metric.partition(",")[0], []).append(label)
        fails[label] = failed.lower().split("; ")
    rows = re.findall(
        r"^\| (`.*) \| .* \| (.*) \|$", README.partition("| blind to |")[2].partition("\n\n")[0], re.MULTILINE
    )
    claims = 0
    for metrics, blind in rows:
        # a metric's own score stands for it if there is one
        of_row = [metric for metric in re.findall(r"`(\w+)`", metrics) if metric in scores]
        main = [one for metric in of_row for one in ([metric] if metric in scores[metric] else scores[metric])]
        for check, named in re.findall(r"([^;(]+?)(?: \((.*?)\))?(?:; |$)", blind.strip()):
            for score in re.findall(r"`(\w+)`", named) or main:
                assert check in fails[score], f"{score} is not blind to {check!r}"
                claims += 1
    assert claims > 20
