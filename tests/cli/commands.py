"""Run commands of the command line in this process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from genbench.cli import main


def run(*words: object, encoding: str = "utf-8") -> Result:
    return CliRunner(charset=encoding).invoke(main, [str(word) for word in words])


def refused(*words: object, code: int = 1) -> str:
    """Run a command that must fail with one sentence and no traceback, and return the sentence."""
    outcome = run(*words)
    assert outcome.exit_code == code, outcome.output
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr
    return outcome.stderr


def sentences(text: str) -> list[str]:
    """Return warnings and hints, which are printed in lines of 80 columns, each on one line."""
    return text.replace("\n  ", " ").splitlines()


def score_pixels(path: object, *more: object) -> list[object]:
    """Return a command that scores images against the digits."""
    reference = ["--reference", "digits", "--features", "pixels,size=8", "--metrics", "swd"]
    return ["score", "--samples", path, *reference, *more]
