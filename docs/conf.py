"""The site: ``sphinx-build -W -c docs . docs/_build/html`` makes it from the Markdown pages as they are.

The source folder is the repository, so that links to README, CONTRIBUTING and reports/ mean the same on the site and on
the code host. What only the site has, the menu and the reference of commands and of Python, is added here.
"""

from __future__ import annotations

import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any, get_type_hints

import genbench

ROOT = Path(__file__).resolve().parents[1]

project = "genbench"
author = "The genbench developers"
copyright = author
release = metadata.version("genbench")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_click",
]
suppress_warnings = ["myst.header"]  # a generated page leaves out a level of headings
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "docs/*.rst", "docs/generated/*.rst", "reports/*.md"]
exclude_patterns = [".*", "*/.*", "docs/_build", "runs", "build", "dist", "tests", "genbench", "baselines"]

smartquotes = False  # they would make one dash of the two of --option
# anchors as the code host makes them
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autosummary_generate = True
python_maximum_signature_line_length = 80

html_theme = "pydata_sphinx_theme"
html_title = "genbench"
html_sidebars = {"**": ["menu.html"]}
html_theme_options = {
    "navbar_center": [],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc", "sourcelink"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# llms.txt stands at the top of the site; the top itself leads to the start page
html_extra_path = ["llms.txt"]
templates_path = [str(ROOT / "docs" / "_templates")]
html_additional_pages = {"index": "start.html"}

MENU = {
    "Start": ["install", "tutorial", "data", "faq"],
    "Guides": [
        "metrics",
        "statistics",
        "leaderboards_and_ci",
        "modalities",
        "papers",
        "plugs",
        "scale",
        "many_machines",
    ],
    "Reference": ["cli", "api", "design", "/CHANGELOG"],
    "Project": ["/README", "/CONTRIBUTING"],
    "Measurements": [f"/reports/{page.stem}" for page in sorted((ROOT / "reports").glob("*.md"))],
}
"""The pages in the menu, by heading."""

COMMANDS = "```{eval-rst}\n.. click:: genbench.cli:main\n   :prog: genbench\n   :nested: full\n```\n"


def add_what_only_the_site_has(app: Any, docname: str, source: list[str]) -> None:
    """Add the menu to the start page, and replace the text of ``--help`` by the structure of the commands."""
    folder = (Path(app.srcdir) / docname).parent
    source[0] = re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", lambda link: link_of_site(app, folder, link), source[0])
    if docname == root_doc:
        menus = [f":caption: {head}\n" + "\n".join(pages) for head, pages in MENU.items()]
        source[0] += "".join(f"\n```{{toctree}}\n:hidden:\n{menu}\n```\n" for menu in menus)
    elif docname == "docs/cli":
        source[0] = source[0].split("\n## ")[0] + "\n" + COMMANDS


def link_of_site(app: Any, folder: Path, link: re.Match[str]) -> str:
    """Return a link as the site has it; what is in the repository and not on the site is named without a link."""
    target = (folder / link[2].partition("#")[0]).resolve()
    if target.suffix == ".html" and target.exists():  # MyST would let the browser download this page
        return f'<a href="{link[2]}">{link[1]}</a>'
    root = Path(app.srcdir).resolve()
    page = target.suffix == ".md" and target.is_relative_to(root)
    left_out = page and str(target.relative_to(root).with_suffix("")) not in app.env.found_docs
    return link[1] if target.exists() and (target.is_dir() or left_out) and not link[2].startswith("#") else link[0]


def show_examples_as_code(app: Any, ctx: Any, lines: list[str]) -> None:
    """Show the commands in the help of a command as a block of code."""
    shown: list[str] = []
    for line in lines:
        command = line.removeprefix("| ")  # the mark of lines that are not filled
        if command.startswith("genbench "):
            opening = [] if shown and shown[-1].startswith("   genbench ") else ["", ".. code-block:: sh", ""]
            shown += [*opening, f"   {command}"]
        else:
            shown.append(line)
    lines[:] = shown


def show_plain_types() -> None:
    """Leave the checks of JSON fields out of the types of records."""
    for record in (genbench.Result, genbench.Entry, genbench.SampleSet):
        for thing in (record, record.__init__):
            thing.__annotations__ = get_type_hints(thing)


def show_made_defaults(app: Any, what: str, name: str, thing: object, options: Any, *signature: str | None) -> Any:
    """Write ``...`` for defaults of dataclasses that are made anew; Sphinx cannot read ``<factory>``."""
    return tuple(part and part.replace("<factory>", "...") for part in signature)


def copy_files_that_are_linked(app: Any, exception: Exception | None) -> None:
    """Copy the report page, and the Markdown of the pages, to which llms.txt leads."""
    for file in [Path("reports/index.html"), *map(Path, sorted(app.env.found_docs))]:
        file = file if file.suffix == ".html" else file.with_suffix(".md")
        if exception is None and (Path(app.srcdir) / file).exists():
            target = Path(app.outdir) / file
            target.parent.mkdir(exist_ok=True)
            shutil.copy(Path(app.srcdir) / file, target)


def setup(app: Any) -> None:
    # pages of names that are public no longer would stay
    shutil.rmtree(ROOT / "docs" / "generated", ignore_errors=True)
    show_plain_types()
    app.connect("source-read", add_what_only_the_site_has)
    app.connect("sphinx-click-process-description", show_examples_as_code)
    app.connect("autodoc-process-signature", show_made_defaults)
    app.connect("build-finished", copy_files_that_are_linked)
