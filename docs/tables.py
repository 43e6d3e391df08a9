"""Write the table of variables of each role's README from its argument_specs.

`make docs` rewrites them; a test compares. The table stands between ``<!-- variables -->`` and ``<!-- /variables -->``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parents[1] / "roles"
PLACE = re.compile(r"(?<=<!-- variables -->\n).*?(?=<!-- /variables -->)", re.DOTALL)


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
    for role in sorted(ROLES.iterdir()):
        readme = role / "README.md"
        text = written(role)
        if readme.read_text(encoding="utf-8") != text:
            readme.write_text(text, encoding="utf-8")
            print(f"{readme} rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())
