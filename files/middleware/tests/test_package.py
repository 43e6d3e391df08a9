"""The package as a house: how far a reader has to go from one module to the last that it stands on."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from conftest import SOURCE

PACKAGE = SOURCE / "historia_clinica"
#: The loader of the sample is a program of its own.
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "load" not in path.relative_to(PACKAGE).parts
}
LONGEST_CHAIN = 8  # modules


def imported(path: Path) -> set[str]:
    """Return the modules of the package that a module imports, at its head or later, but for the types' sake alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found = {
        name if (name := f"{node.module}.{alias.name}") in MODULES else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node not in for_types
        for alias in node.names
    }
    return {name for name in found if name in MODULES}


@cache
def chain(module: str) -> tuple[str, ...]:
    """Return the longest way from a module to one that imports none of the package."""
    return (module, *max((chain(each) for each in imported(MODULES[module])), key=len, default=()))


def test_longest_chain_of_imports_is_short() -> None:
    """Whoever opens a module finds the ground after a few steps; there is no circle."""
    longest = max((chain(module) for module in MODULES), key=len)
    print("\n".join(longest))
    assert len(longest) <= LONGEST_CHAIN
