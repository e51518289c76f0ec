"""Write the report of a folder: ``NAME.md`` beside each ``NAME.jsonl``, and all of them as one ``index.html``."""

from __future__ import annotations

from pathlib import Path

from genbench.errors import InputError
from genbench.files.atomic_write import atomic_write
from genbench.page.embedded_images import embedded
from genbench.page.section import Section
from genbench.results import read_results
from genbench.tables.jinja_templates import rendered


def write(folder: Path, *, over_time: bool = False) -> list[Path]:
    """Write the report of a folder and return its files. Raises InputError if the folder contains no results.

    ``over_time``: show how the main metric of each sampler changed from commit to commit.
    """
    pages = _pages(folder, over_time)
    for path, content in pages.items():
        with atomic_write(path) as temporary:
            temporary.write_text(content, encoding="utf-8", newline="\n")
    return list(pages)


def differing(folder: Path, *, over_time: bool = False) -> list[Path]:
    """Return the files that are missing or differ from what ``write`` would write. Raises the errors of ``write``."""
    # files are compared as bytes, so a missing line end counts, too
    pages = _pages(folder, over_time)
    return [path for path, content in pages.items() if not path.is_file() or path.read_bytes() != content.encode()]


def _pages(folder: Path, over_time: bool) -> dict[Path, str]:
    # one section for each file that has results
    sections = [
        Section(path.stem, tuple(results), folder, over_time)
        for path in sorted(folder.glob("*.jsonl"))
        if (results := read_results(path))
    ]
    if not sections:
        raise InputError(f"{folder} contains no results; make some with `genbench run digits --out {folder}`.")
    pages = {
        folder / f"{section.name}.md": rendered("genbench.page", "report.md", section=section) for section in sections
    }
    # the page links to hand-written Markdown files
    others = [path for path in sorted(folder.glob("*.md")) if path not in pages and path.is_file()]
    # the grids of samples come first, because the sheets are larger and may not fit into the limit
    runs = [run for section in sections for run in section.runs]
    grids = [run.samples for run in runs if run.samples and not run.gallery.points]
    sheets = [run.sheet for run in runs if run.sheet]
    page = rendered(
        "genbench.page",
        "page.html",
        sections=sections,
        images=embedded([*grids, *sheets]),
        others=[(path.name, _first_heading(path)) for path in others],
        root=folder,
    )
    return {**pages, folder / "index.html": page}


def _first_heading(path: Path) -> str:
    """Return the first heading of a Markdown file, or the name of a file without headings."""
    # "# Title" -> "Title"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("#")), path.stem)
