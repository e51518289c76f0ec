"""The report on disk: NAME.md beside each NAME.jsonl, and one page, index.html, of them all."""

from __future__ import annotations

from pathlib import Path

from genbench.errors import InputError
from genbench.files.atomic_write import atomic_write
from genbench.page.embedded_images import embedded
from genbench.page.section import Section
from genbench.results import read_results
from genbench.tables.rendering import rendered


def write(folder: Path) -> list[Path]:
    """Write the report of a folder and return the files it is made of. Raises InputError where there are no results."""
    pages = _pages(folder)
    for path, text in pages.items():
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    return list(pages)


def differing(folder: Path) -> list[Path]:
    """Return the files of the report that are missing or not what would be written. Raises as ``write`` does."""
    return [path for path, text in _pages(folder).items() if not path.is_file() or path.read_bytes() != text.encode()]


def _pages(folder: Path) -> dict[Path, str]:
    sections = [
        Section(path.stem, tuple(results), folder)
        for path in sorted(folder.glob("*.jsonl"))
        if (results := read_results(path))
    ]
    if not sections:
        raise InputError(f"{folder} holds no results; make some with `genbench run digits --out {folder}`.")
    pages = {folder / f"{section.name}.md": _markdown(section) for section in sections}
    others = [path for path in sorted(folder.glob("*.md")) if path not in pages]
    shown = embedded(
        [
            one.samples
            for section in sections
            for one in section.exhibits
            if one.samples and not one.gallery.get("points")
        ]
        + [one.picture for section in sections for one in section.exhibits if one.picture]
    )
    page = rendered(
        "genbench.page",
        "page.html",
        sections=sections,
        shown=shown,
        others=[(path.name, _title(path)) for path in others],
        root=folder,
    )
    return {**pages, folder / "index.html": page}


def _markdown(section: Section) -> str:
    return rendered("genbench.page", "report.md", section=section)


def _title(path: Path) -> str:
    """Return the first heading of a Markdown file, or its name."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("#")), path.stem)
