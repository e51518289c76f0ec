"""The identity of a trial: everything that decides its result, so that a result is repeated only if nothing changed."""

from __future__ import annotations

import ast
import hashlib
import inspect
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genbench.errors import GenbenchError
from genbench.files.fingerprints import FilePart, cached_hashes, file_hash
from genbench.plugs import registry
from genbench.plugs.specs import COMMAND, Spec, parse_specs
from genbench.runs.options import RunSettings

NO_INFLUENCE = ("about", "columns", "samplers", "steps")
"""Fields of a benchmark that do not decide a result; of ``steps``, only those of the budget do."""

OWN_PACKAGE = "genbench"
"""Its code is known by its version."""


def trial_identities(settings: RunSettings) -> dict[str, dict[str, str]]:
    """Return for each sampler of a run what decides its results, apart from the seed, as facts by name.

    The facts are the spec, the budget, the recipe, the version of genbench, and the hashes of all files: weights, data
    and other paths in specs, and the source of guests' modules with the modules beside them that they import. The
    versions of other libraries are not part of it, because results record them.
    """
    recipe = settings.benchmark
    shared = {"budget": f"{settings.budget}, {settings.steps} steps", OWN_PACKAGE: version(OWN_PACKAGE)}
    shared |= {each.name: str(getattr(recipe, each.name)) for each in fields(recipe) if each.name not in NO_INFLUENCE}
    # the code and the files behind every spec of the recipe, and then behind the samplers
    sources = (recipe.reference, recipe.train, recipe.validation, recipe.real)
    shared |= _content_facts(
        ("extractors", recipe.features),
        *(("metrics", metrics) for metrics in (recipe.metrics, recipe.watch)),
        *(("sources", source) for source in sources),
    )
    return {name: {"spec": name, **shared, **_content_facts(("samplers", name))} for name in settings.samplers}


def changes(earlier: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the names of the facts that differ."""
    return [name for name in sorted({*earlier, *now}) if earlier.get(name) != now.get(name)]


def _content_facts(*lists: tuple[str, str]) -> dict[str, str]:
    """Return the hashes of the modules and files of lists of specs, each list with the kind of its plugs."""
    facts: dict[str, str] = {}
    words: set[str] = set()
    for kind, text in lists:
        # the words of a command line may be paths; commas belong to them
        command = COMMAND.fullmatch(text)
        if command is not None or Path(text).expanduser().exists():
            with suppress(ValueError):  # a wrong command, and a wrong name, is reported where it is opened
                words |= {text} if command is None else set(shlex.split(command[2]))
            continue
        with suppress(GenbenchError):
            for spec in parse_specs(text):
                words |= {value for value in spec.options.values() if isinstance(value, str)}
                if ":" in spec.name or spec.name in registry.installed(kind):
                    facts |= _code_hashes(kind, spec)
                else:
                    words.add(spec.name)
    # each path is read once, although several splits come from it
    return facts | _path_hashes(sorted(words))


def _path_hashes(words: Sequence[str]) -> dict[str, str]:
    """Return the content hash of each word that is the path of a file or folder."""
    hashes = {}
    # a word that is no path is an option, or part of a command
    for word in words:
        path = Path(word).expanduser()
        with suppress(OSError, ValueError):
            if path.is_file():
                hashes[f"file {word}"] = _content(path, [path])
            elif path.is_dir():
                hashes[f"folder {word}"] = _content(path, [file for file in path.rglob("*") if file.is_file()])
    return hashes


def _content(root: Path, files: list[Path]) -> str:
    """Return one hash of the names and contents of files."""
    # large files are hashed once, as long as they do not change
    files = sorted(files)
    hashes = cached_hashes([FilePart(path) for path in files], lambda row: _readable_hash(files[row]))
    digest = hashlib.sha256()
    for path, content in zip(files, hashes, strict=True):
        digest.update(f"{path.relative_to(root).as_posix()}\0{content}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _readable_hash(path: Path) -> str | None:
    """Return the hash of a file; None if it cannot be read."""
    with suppress(OSError):
        return file_hash(path)
    return None


def _code_hashes(kind: str, spec: Spec) -> dict[str, str]:
    """Return the hash of the source of each module that a guest consists of; none for a plug of genbench itself."""
    target: Any = registry.plug(kind, spec.name).target
    guest = spec.name.partition(":")[0] if ":" in spec.name else registry.installed(kind)[spec.name].module
    # the object may be defined in another module of the user than the one that names it
    owner = target if inspect.isclass(target) or inspect.isroutine(target) else type(target)
    starts = {guest, *([owner.__module__] if _is_own(owner.__module__) else [])}
    return {
        f"module {name}": _readable_hash(path) or ""
        for start in sorted(starts)
        if start.partition(".")[0] != OWN_PACKAGE
        for name, path in _local_modules(start)
    }


def _is_own(module: str) -> bool:
    """Return whether a module is code of the user, not of a library."""
    path = _loaded_file(module)
    return path is not None and module.partition(".")[0] not in sys.stdlib_module_names and not _installed(path)


def _local_modules(start: str) -> Iterator[tuple[str, Path]]:
    """Yield a module and the modules that it imports, directly or not, from its own package or its own folder."""
    first = _loaded_file(start)
    if first is None:
        return
    # the folder that contains the module, or the package at the top
    root = first.parents[start.count(".") + (first.name == "__init__.py")]
    top = start.partition(".")[0]
    yield start, first
    # what the files import is only looked up, not imported: an import within a function may be expensive
    seen, waiting = {start}, [(start, first)]
    while waiting:
        name, path = waiting.pop()
        # a package is imported before its modules
        for imported in [name.rpartition(".")[0], *_imported_names(path, name)]:
            beside = imported.partition(".")[0]
            # what is installed beside an installed guest is a library
            if not imported or imported in seen or beside == OWN_PACKAGE or (beside != top and _installed(first)):
                continue
            seen.add(imported)
            file = _file_of(imported, root)
            if file is not None:
                yield imported, file
                waiting.append((imported, file))


def _loaded_file(module: str) -> Path | None:
    """Return the source file of a loaded module; None if it has none."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file).resolve() if file and file.endswith(".py") and Path(file).is_file() else None


def _file_of(module: str, root: Path) -> Path | None:
    """Return the source file of a module or package below a folder; None if it is not there."""
    path = root.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_name(f"{path.name}.py")) if file.is_file()), None)


def _installed(path: Path) -> bool:
    return any(folder in path.parts for folder in ("site-packages", "dist-packages"))


def _imported_names(path: Path, module: str) -> list[str]:
    """Return the absolute names of everything that a module imports, also within its functions."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    # relative imports start at the package of the module
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # one dot is the own package, and each further dot the package above it
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            # an imported name may be a module too
            names += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return [name for name in names if name]
