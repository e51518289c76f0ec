"""Which tool gives which number, to which tolerance: ``python -m tests.studies.conformance``.

It runs the conformance set of ``tests/conformance`` through genbench and every installed peer, each in its own process,
and writes reports/conformance.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tests.conformance.make_set import FOLDER
from tests.conformance.tools import TOOLS

PAGE = Path(__file__).parents[2] / "reports" / "conformance.md"

QUANTITIES = {
    "frechet_distance": "Fréchet distance of means and covariances",
    "frechet_distance_of_rows": "Fréchet distance of rows",
    "kernel_distance": "Kernel distance (KID, U-statistic over all rows)",
    "inception_score": "Inception Score of logits",
    "precision_recall": "Improved precision and recall, k = 3",
    "density_coverage": "Density and coverage, k = 5",
    "vendi": "Vendi score",
    "resize": "Resizing to 299 × 299, in levels of 255",
}

REASONS = {
    "rows_far_from_zero": "the mean is computed in float32, and 3,000 units away from zero its last digits are lost.",
    "repeated_rows_precision_recall": "the prdc package counts distances *less than* the radius for precision and "
    "recall, too, so that copies of a row that is repeated more than k times are outside. ADM, torch-fidelity and "
    "genbench's `pr` count *at most*; genbench's `prdc` follows the prdc package.",
    "on_a_line_precision_recall": "the prdc package counts distances *less than* the radius.",
    "resize_tf_small": "by default torchmetrics resizes with torch's antialiased bilinear filter, which has half-pixel "
    "centres, and not as TensorFlow 1 does; its FID is then not that of torch-fidelity, whose network it uses. "
    "genbench gives it by `--features inception,resize=torchmetrics`.",
    "resize_tf_large": "the same filter; it also smooths when an image shrinks.",
}
"""Why answers to a case differ; shown only if one does."""


def answers(tool: str) -> dict[str, Any] | None:
    """Return version and answers of a tool, computed in its own process; None if it is not installed."""
    try:
        version(TOOLS[tool][0])
    except PackageNotFoundError:
        return None
    command = [sys.executable, "-m", "tests.conformance.tools", tool]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def deviation(case: dict[str, Any], answer: Any) -> tuple[float, bool]:
    """Return the largest absolute deviation from the expected value, and whether the answer conforms."""
    expected = np.atleast_1d(np.asarray(case["expected"], np.float64))
    gap = np.abs(np.atleast_1d(np.asarray(answer, np.float64)) - expected)
    return float(gap.max()), bool((gap <= case["absolute"] + case["relative"] * np.abs(expected)).all())


def cell(case: dict[str, Any], found: dict[str, Any]) -> str:
    """Return one cell of the table: the deviation, marked if it is too large."""
    if case["name"] not in found["answers"]:
        return ""
    answer = found["answers"][case["name"]]
    if isinstance(answer, str):
        return f"✗ {answer.partition(':')[0]}"
    gap, conforms = deviation(case, answer)
    text = "0" if gap < 1e-15 else f"{gap:.0e}"
    return text if conforms else f"**✗ {text}**"


def page() -> str:
    """Return the page as Markdown."""
    cases = json.loads((FOLDER / "cases.json").read_text())
    installed = {tool: found for tool in TOOLS if (found := answers(tool)) is not None}
    lines = [
        "# Conformance: who gives which number",
        "",
        f"Version {cases['version']} of the [conformance set](../tests/conformance/set/README.md): inputs with exact "
        "answers, run through each tool's own functions. A cell is the largest deviation from the exact answer. **✗** "
        "marks a deviation above the case's tolerance; an empty cell means that the tool has no such function, or none "
        "for this input. No network is involved: differences of weights do not show on this page.",
        "",
        "Made by `python -m tests.studies.conformance` with "
        + ", ".join(f"{tool} {found['version']}" for tool, found in installed.items())
        + ".",
        "",
    ]
    # one table for each quantity, with the tools that have it
    differing = []
    for quantity, title in QUANTITIES.items():
        chosen = [case for case in cases["cases"] if case["quantity"] == quantity]
        names = {case["name"] for case in chosen}
        tools = {tool: found for tool, found in installed.items() if names & found["answers"].keys()}
        lines += [f"## {title}", "", f"| case | exact | tolerance | {' | '.join(tools)} |"]
        lines += ["|---|--:|--:|" + "--:|" * len(tools)]
        for case in chosen:
            cells = [cell(case, found) for found in tools.values()]
            expected = np.atleast_1d(case["expected"])
            exact = ", ".join(f"{value:.6g}" if abs(value) > 1e-12 else "0" for value in expected[:2])
            limit = case["absolute"] + case["relative"] * float(np.abs(expected).min())
            shown = exact + (", ..." if len(expected) > 2 else "")
            lines += [f"| {case['purpose']} | {shown} | {limit:.0e} | {' | '.join(cells)} |"]
            if any("✗" in text for text in cells):
                who = " and ".join(tool for tool, text in zip(tools, cells, strict=True) if "✗" in text)
                differing.append((case, who))
        lines += [""]
    lines += ["## Where and why they differ", ""]
    for case, who in differing:
        reason = REASONS.get(case["name"], "The reason is not known.")
        lines += [f"- **{who}**, {QUANTITIES[case['quantity']]}, {case['purpose']}: {reason}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
