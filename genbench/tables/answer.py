"""Write the answer of ``score`` for people: the first number, what real samples reach, and what follows from both."""

from __future__ import annotations

from genbench.comparison.real_against_real import RealAgainstReal
from genbench.results import Result
from genbench.results.rounding import number_with_error
from genbench.tables.escapes import one_line
from genbench.tables.line_width import wrapped
from genbench.tables.numbers import PLAIN

VERDICTS = {
    "worse": "worse than real samples, by more than chance explains (95 %).",
    "equal": "not told apart from real samples by this score. More samples see smaller differences.",
    "better": "nearer to real samples than these are to each other. Look for copies: add --train.",
    None: "unknown, because an error is.",
}


def answer_text(result: Result, beside: RealAgainstReal | None, *, plain: bool = False) -> str:
    """Return the first score of a result, the score of real samples, and the verdict, a line each.

    ``beside`` is None if real samples have no such score. ``plain`` writes ± in ASCII.
    """
    # the number itself
    entry = result.scores[0]
    direction = f" ({entry.better} is better)" if entry.better else ""
    lines = [f"{one_line(entry.name)}: {' '.join(number_with_error(entry.value, entry.error))}{direction}"]
    # the same score of real samples, and what follows from both
    if beside is not None:
        real, generated = (
            " ".join(number_with_error(each.value, each.error)) for each in (beside.real, beside.generated)
        )
        lines += [
            f"Real against real: {real}; {one_line(result.name)}: {generated} ({beside.rows:,} samples each, against a "
            "half of the reference).",
            f"Verdict: {VERDICTS[beside.outcome]}",
        ]
    # without real samples, a score may still know the value of a perfect sampler
    elif isinstance(entry.detail.get("expected"), (int, float)):
        lines.append(f"A perfect sampler would have {entry.detail['expected']:.4g}.")
    # no line is wider than a terminal
    text = "\n".join(wrapped(line) for line in lines)
    return text.translate(PLAIN) if plain else text
