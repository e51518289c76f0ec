"""Say what a plug is without importing it: from its source text. Most plugs import torch, which takes seconds.

Only genbench's own plugs are read so. A guest's plug is imported, which also shows whether it can be.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from genbench.errors import PlugError
from genbench.plugs.registry import installed, plug, require_one

OWN_PACKAGES = ("genbench", "genbench_baselines")

Declaration = ast.FunctionDef | ast.ClassDef


def summary(kind: str, name: str) -> str:
    """Return one line about an installed plug, for people: what it is, or why it cannot be used."""
    # the list goes on with the others
    try:
        require_one(kind, name)
        declared = _declaration(installed(kind)[name])
        if declared is None:
            return plug(kind, name).summary
        return (ast.get_docstring(declared) or "").partition("\n")[0]
    except PlugError as error:
        return f"Cannot be used. {error}"


def about_plug(kind: str, name: str) -> str:
    """Return ``summary`` without mark-up, "Return" and "Raises": what ``genbench list`` and the report show."""
    # drop the sentence about errors, then the verb
    line = re.sub(r"\s*Raises [^.]*\.$", "", summary(kind, name).replace("`", ""))
    line = re.sub(r"^Returns? (the )?", "", line)
    return line[:1].upper() + line[1:]


def metric_name_of(metric: object) -> str:
    """Return the name by which a metric is asked for, ``fd`` for a FrechetDistance; that of its class for guests."""
    own = type(metric)
    for name, entry in installed("metrics").items():
        module, _, attribute = entry.value.partition(":")
        # a package may import the class from one of its modules
        if attribute == own.__name__ and own.__module__.startswith(module):
            return name
    return own.__name__


def stands_alone(kind: str, name: str) -> bool:
    """Return whether an installed source or sampler needs no option, path or object. False if it cannot be imported."""
    try:
        declared = _declaration(installed(kind)[name])
        if declared is None:
            return plug(kind, name).stands_alone
    except PlugError:
        return False
    # a class that opens paths or objects says which it accepts
    own = {node.name: node for node in getattr(declared, "body", ()) if isinstance(node, ast.FunctionDef)}
    if isinstance(declared, ast.ClassDef) and "__init__" not in own:
        return "accepts" not in own
    # every parameter but self needs a default
    called = own["__init__"] if isinstance(declared, ast.ClassDef) else declared
    required = len(called.args.args) - len(called.args.defaults) - isinstance(declared, ast.ClassDef)
    return required <= 0 and None not in called.args.kw_defaults


def _declaration(entry: EntryPoint) -> Declaration | None:
    """Return the class or function of one of genbench's own plugs; None for a guest's plug and for an object."""
    module, _, attribute = entry.value.partition(":")
    return _declared_in(module, attribute) if module.partition(".")[0] in OWN_PACKAGES else None


def _declared_in(module: str, attribute: str) -> Declaration | None:
    text = _module_text(module)
    # the rest of the module need not be parsed: up to the next line that is neither indented nor ends a bracket
    found = re.search(rf"^(?:class|def) {attribute}\b.*?(?=^[^\s)]|\Z)", text, re.MULTILINE | re.DOTALL)
    if found is not None:
        declared = ast.parse(found[0]).body[0]
        return declared if isinstance(declared, (ast.FunctionDef, ast.ClassDef)) else None
    # a package may import its plug from one of its modules
    for line in re.finditer(rf"^from ([\w.]+) import .*\b{attribute}\b", text, re.MULTILINE):
        return _declared_in(line[1], attribute)
    return None


@cache
def _module_text(module: str) -> str:
    """Return the source text of a module, which is not imported; empty if it has none."""
    package, *parts = module.split(".")
    spec = find_spec(package)  # does not import a top-level package
    # the file of the module, or that of the package of this name
    for folder in [] if spec is None else spec.submodule_search_locations or []:
        path = Path(folder, *parts)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file.read_text(encoding="utf-8")
    return ""
