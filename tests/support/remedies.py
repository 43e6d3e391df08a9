"""What may be advised: nobody is told to give up data while something milder is untried."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Commands that remove rows.
LOSES = re.compile(
    r"make reset|minikube delete|aula\.historia_clinica\.reset|DROP (?:TABLE|DATABASE)|rm -rf? (?!\.venv)"
)
#: How a text says so, in both languages.
SAID = re.compile(
    r"giv\w*(?: \w+)? up|los(?:es|t|e)\b|with (?:the|its) data|look at them|pierde\w*|renuncia|con sus datos"
)
#: What a person may try, or look at, without losing anything.
MILDER = re.compile(
    r"\b(?:make|minikube) (?:start|lab|status|diagnose|preflight|verify)\b|`?cp |\b(?:put|copy|leave|set|see|look|move|run|end|keep|name|check|write)\b"
    r"|\b(?:quit[ae]|devuelv[ae]|mire|ponga|deje)\b",
    re.IGNORECASE,
)


def harsh(text: str) -> list[str]:
    """What is wrong with an advice: each command that loses rows without a word of it, or before anything milder."""
    faults = []
    for command in LOSES.finditer(text):
        if not SAID.search(text):
            faults.append(f"{command[0]}: nothing says that rows are lost")
        if not MILDER.search(text[: command.start()]):
            faults.append(f"{command[0]}: nothing milder stands before it")
    return faults


def spelled(node: ast.expr) -> str:
    """A text as it is put together; for a part that is put in, the command, where it is one that removes rows."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return spelled(node.left) + spelled(node.right)
    if isinstance(node, ast.JoinedStr):
        return "".join(spelled(part) for part in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return "aula.historia_clinica.reset" if re.search(r"\breset\b", ast.unparse(node)) else "{}"


def texts(path: Path) -> Iterator[str]:
    """The texts of a file that a person may read as advice: strings of Python, hints of SQL, rows and items of a page."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        inside: set[ast.AST] = set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.BinOp, ast.JoinedStr, ast.Constant)) and node not in inside:
                if isinstance(node, (ast.BinOp, ast.JoinedStr)):
                    inside |= {*ast.walk(node)}
                yield spelled(node)
    elif path.suffix == ".sql":
        yield from (hint.replace("''", "'") for hint in re.findall(r"HINT = '((?:[^']|'')*)'", source))
    elif path.suffix == ".md":
        pieces = re.split(r"\n(?=[|#-] |\|)|\n\n", source)
        yield from (piece for piece in pieces if "**Removal**" not in piece)  # how to take a role back is no advice
    else:
        yield from re.findall(r"(?:msg|fail_msg|description): (.*)", source)
