"""Write any text in each output format, so that it is shown as it is and changes nothing around it.

Names come from files, specs and guests: they may hold markup, formulas and control characters. There is one function
for each format, and every table, page and message uses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from markupsafe import Markup, escape

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula."""

LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}  # fmt: skip
"""What LaTeX prints as its special characters."""


def terminal_safe(text: str) -> str:
    """Return text for a terminal: control characters become escape sequences of Python, newlines stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text)


def json_safe(text: str, *, encoding: str = "utf-8") -> str:
    """Return JSON for a terminal: characters that it would obey or cannot show become escape sequences of JSON."""
    # most JSON has none of them
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    # they are in strings only, except the newlines between values
    return "".join(
        letter if letter == "\n" or (letter.isprintable() and _encodable(letter, encoding)) else _json_escape(letter)
        for letter in text
    )


def markup_safe(words: object) -> Markup:
    """Return text for HTML, SVG and XML, in elements and in quoted attributes."""
    return words if isinstance(words, Markup) else Markup(escape(xml_characters(str(words))))


def xml_characters(text: str) -> str:
    """Return text with escape sequences of Python for the characters that XML forbids, even in escaped text."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", lambda match: repr(match[0])[1:-1], text)


def markdown_safe(words: str) -> str:
    """Return text on one line for Markdown: headings, paragraphs, items of lists, and cells of tables."""
    # the ampersand first, because the entities contain it
    escaped = (
        xml_characters(words).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "&#124;")
    )
    escaped = re.sub(r"([\\`*_\[\]~$]|(?<!&)#)", r"\\\1", escaped)
    # an address would become a link by itself
    escaped = re.sub(r"(?i)\b(https?|ftp):", r"\1&#58;", escaped)
    escaped = re.sub(r"(?i)\bwww\.", lambda match: f"{match[0][:-1]}&#46;", escaped)
    # the first characters of a line can make a list, a heading or a rule
    return re.sub(r"^(\d*)([.)](?= |$)|[-+=](?=[-+= ]|$))", r"\1\\\2", one_line(escaped))


def markdown_code(words: str) -> str:
    """Return text on one line as code in Markdown, also in cells of tables."""
    # between backticks nothing can be escaped
    if re.search(r"[`|\\]|[^ -~]", words):
        return f"<code>{markdown_safe(words)}</code>"
    return f"`{words}`"


def markdown_block(lines: Iterable[str], language: str = "") -> str:
    """Return lines as a block of code in Markdown."""
    # the fence must be longer than any run of backticks in the code
    code = terminal_safe("\n".join(lines))
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", code)), 3)
    return f"{fence}{language}\n{code}\n{fence}"


def markdown_coded(words: str) -> str:
    """Return text on one line for Markdown; text between backticks becomes code."""
    # every second part is between two backticks
    parts = words.split("`")
    return "".join(
        markdown_code(part) if index % 2 and part else _spaced(part, markdown_safe(part))
        for index, part in enumerate(parts)
    )


def workflow_safe(words: str) -> str:
    """Return text on one line for the message of a workflow command of GitHub, as in ``::error::MESSAGE``."""
    # GitHub reads %0A in a message as the end of a line, and %25 as a percent sign
    return terminal_safe(one_line(words)).replace("%", "%25")


def latex_safe(words: str) -> str:
    """Return text on one line for LaTeX."""
    return "".join(LATEX.get(letter, letter) for letter in terminal_safe(one_line(words)))


def csv_safe(words: str) -> str:
    """Return text for a cell of CSV: no spreadsheet takes it for a formula. The caller quotes it."""
    return f"'{words}" if words.startswith(FORMULA_SIGNS) else words


def one_line(words: str) -> str:
    """Return text with single spaces and without the ends of lines."""
    return " ".join(words.split())


def _spaced(words: str, line: str) -> str:
    """Return a line with the space at each end of the words that it was made of."""
    return f"{' ' if words[:1].isspace() else ''}{line}{' ' if line and words[-1:].isspace() else ''}"


def _encodable(letter: str, encoding: str) -> bool:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _json_escape(letter: str) -> str:
    # json.dumps leaves DEL as it is
    return "\\u007f" if letter == "\x7f" else json.dumps(letter)[1:-1]
