"""Fill in Jinja templates; in HTML, values are escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from genbench.tables.numbers import markdown_safe


def rendered(package: str, template: str, **values: Any) -> str:
    """Fill in a template from the folder ``templates`` of a package."""
    return _environment(package).get_template(template).render(**values)


@cache
def _environment(package: str) -> Environment:
    # an undefined name is an error, and lines with tags leave no empty lines
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # filters that the templates of tables and pages use
    environment.filters["breakable"] = _breakable
    environment.filters["coded"] = _coded
    environment.filters["markdown_safe"] = markdown_safe
    return environment


def _breakable(name: str) -> Markup:
    """Return a name as HTML that may wrap after an underscore, but not before its arrow."""
    return Markup(str(escape(name)).replace("_", "_<wbr>").replace(" ", "&nbsp;"))


def _coded(words: str) -> Markup:
    """Return text as HTML; text between backticks becomes code."""
    # every second part is between two backticks
    parts = str(escape(words)).split("`")
    return Markup("".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts)))
