"""A Python that is too old for a lab has to read all that preflight imports, or nobody is told that it is too old."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PLUGINS = Path(__file__).parents[3] / "plugins"
#: Types that Python 3.8 cannot parametrise; in an annotation nobody evaluates that.
PLAIN = {"dict", "frozenset", "list", "set", "tuple", "type", "Callable", "Iterable", "Iterator", "Mapping", "Sequence"}


def imported(path: Path, seen: dict[Path, ast.Module]) -> dict[Path, ast.Module]:
    """The files of this collection that a file imports, itself among them, each as Python 3.8 takes it apart."""
    seen[path] = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    for node in ast.walk(seen[path]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ansible_collections.aula."):
            folder = PLUGINS.joinpath(*(node.module or "").split(".")[4:])
            candidates = [
                folder.with_suffix(".py"),
                folder / "__init__.py",
                *(folder / f"{alias.name}.py" for alias in node.names),
            ]
            for found in candidates:
                if found.is_file() and found not in seen:
                    imported(found, seen)
    return seen


def evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a tree that are evaluated: neither annotations, nor what is for type checkers only."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns") or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        ):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from evaluated(child)


def test_nothing_is_newer_than_python_3_8() -> None:
    """Neither a statement, nor a type with parameters where a module, a class or a function is read."""
    trees = imported(PLUGINS / "modules" / "preflight.py", {})
    assert {"memory.py", "choices.py", "drivers.py", "commands.py"} <= {path.name for path in trees}
    found = [
        f"{path.relative_to(PLUGINS)}:{node.lineno}: {ast.unparse(node)}"
        for path, tree in trees.items()
        for node in evaluated(tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in PLAIN
    ]
    assert found == []
