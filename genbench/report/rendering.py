"""The page's templates, filled in; whatever comes from a result is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from genbench.report.numbers import markdown_safe


def rendered(template: str, **values: Any) -> str:
    """Return a template of the package, filled in."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("genbench.report"),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["coded"] = _coded
    environment.filters["markdown_safe"] = markdown_safe
    return environment


def _breakable(name: str) -> Markup:
    """Return a name as HTML that may be broken after an underscore, but not before its arrow."""
    return Markup(str(escape(name)).replace("_", "_<wbr>").replace(" ", "&nbsp;"))


def _coded(words: str) -> Markup:
    """Return words as HTML, with what stands between backticks as code."""
    parts = str(escape(words)).split("`")
    return Markup("".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts)))
