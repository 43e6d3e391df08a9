"""Write the tables of the documentation that the code knows better.

They are the variables of the roles, the permissions of the API, and the changes by hand that a lab survives.
`make docs` rewrites them; tests compare. A table stands between ``<!-- variables -->`` and ``<!-- /variables -->``,
or ``permissions`` and ``changes`` likewise.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "files/middleware/src"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from historia_clinica.access import PERMISSIONS  # of the package, which needs no installation
from historia_clinica.access import ROLES as PEOPLE
from support.changes import CHANGES
from support.labs import ENGINES

ROLES = Path(__file__).parents[1] / "roles"
PLACE = re.compile(r"(?<=<!-- variables -->\n).*?(?=<!-- /variables -->)", re.DOTALL)


PERMITTED = re.compile(r"(?<=<!-- permissions -->\n).*?(?=<!-- /permissions -->)", re.DOTALL)
GUIDES = {
    Path(__file__).with_name("en") / "api.md": ("permission", {"todo": "all", "lo propio": "own"}),
    Path(__file__).with_name("es") / "api.md": ("permiso", {"todo": "todo", "lo propio": "lo propio"}),
}


def permissions(heading: str, words: dict[str, str]) -> str:
    """The table of permissions: a row each, a column for each role.

    Args:
        heading: of the first column.
        words: what each scope is called.
    """
    rows = [f"| {heading} | {' | '.join(PEOPLE)} |", f"| --- |{' --- |' * len(PEOPLE)}"]
    for name, roles in PERMISSIONS.items():
        cells = [words[roles[role]] if role in roles else "" for role in PEOPLE]
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def guide(path: Path) -> str:
    """A guide of the API as it should be."""
    text = permissions(*GUIDES[path])
    return PERMITTED.sub(lambda _: text, path.read_text(encoding="utf-8"))


CHANGED = re.compile(r"(?<=<!-- changes -->\n).*?(?=<!-- /changes -->)", re.DOTALL)
HANDS = {
    Path(__file__).with_name("en") / "changed.md": (
        ("somebody", "engine", "`make verify` names", "`make lab`"),
        ("both", "puts it right", "says it and leaves it", "says it and stops"),
    ),
    Path(__file__).with_name("es") / "changed.md": (
        ("alguien", "motor", "`make verify` nombra", "`make lab`"),
        ("ambos", "lo corrige", "lo dice y lo deja", "lo dice y se detiene"),
    ),
}


def changes(path: Path) -> str:
    """A page about changes by hand as it should be: a row for each change that the tests make."""
    heads, (both, mends, leaves, stops) = HANDS[path]
    rows = [f"| {' | '.join(heads)} |", "| --- | --- | --- | --- |"]
    for change in CHANGES:
        engine = both if change.engines == ENGINES else f"`{change.engines[0]}`"
        deed = stops if change.refused else leaves if change.tells else mends
        name = change.name if path.parent.name == "en" else change.nombre
        rows.append(f"| {name} | {engine} | `{change.promise}` | {deed} |")
    text = "\n".join(rows) + "\n"
    return CHANGED.sub(lambda _: text, path.read_text(encoding="utf-8"))


def cell(value: Any) -> str:
    """A default as a table shows it."""
    if value == "":
        return "empty"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "`{}`".format(text.replace("|", "\\|"))


def table(spec: dict[str, Any]) -> str:
    """The table of one role's variables, over all of its entry points; a sentence where it has none."""
    options: dict[str, dict[str, Any]] = {}
    for entry in spec["argument_specs"].values():
        options.update(entry.get("options", {}))
    if not options:
        return "It has no variables.\n"
    rows = ["| variable | type | default | what |", "| --- | --- | --- | --- |"]
    for name, option in options.items():
        description = option["description"]
        text = " ".join(description) if isinstance(description, list) else description
        if "choices" in option:
            text += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        text = re.sub(r"[CVOM]\(([^)]*)\)", r"`\1`", text).replace("|", "\\|")
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        rows.append(
            f"| `{name}` | {kind} | {'required' if option.get('required') else cell(option.get('default'))} | {text} |"
        )
    return "\n".join(rows) + "\n"


def written(role: Path) -> str:
    """A role's README as it should be.

    Raises:
        ValueError: it has no place for the table.
    """
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    readme = (role / "README.md").read_text(encoding="utf-8")
    if not PLACE.search(readme):
        raise ValueError(f"{role.name}: README.md has no <!-- variables --> ... <!-- /variables -->")
    text = table(spec)
    return PLACE.sub(lambda _: text, readme)


def main() -> int:
    """Rewrite what differs."""
    pages = {role / "README.md": written(role) for role in sorted(ROLES.iterdir())}
    pages |= {page: guide(page) for page in GUIDES}
    pages |= {page: changes(page) for page in HANDS}
    for page, text in pages.items():
        if page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
            print(f"{page} rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())
