"""Fill in Jinja templates; in HTML, values are escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from genbench.tables.escapes import (
    markdown_block,
    markdown_code,
    markdown_coded,
    markdown_safe,
    markup_safe,
    xml_characters,
)


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
        # before values are escaped
        finalize=_without_control_characters,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # filters that the templates of tables and pages use
    environment.filters["breakable"] = _breakable
    environment.filters["coded"] = _coded
    for escape in (markdown_block, markdown_code, markdown_coded, markdown_safe):
        environment.filters[escape.__name__] = escape
    return environment


def _without_control_characters(value: Any) -> Any:
    return xml_characters(value) if type(value) is str else value


def _breakable(name: str) -> Markup:
    """Return a name as HTML that may wrap after an underscore, but not before its arrow."""
    return Markup(str(markup_safe(name)).replace("_", "_<wbr>").replace(" ", "&nbsp;"))


def _coded(words: str) -> Markup:
    """Return text as HTML; text between backticks becomes code."""
    # every second part is between two backticks
    parts = str(markup_safe(words)).split("`")
    return Markup("".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts)))
