"""Write the tables of the documentation that the code knows better.

They are the variables of the roles, the permissions of the API, who reaches what, the changes by hand that a lab survives, what differs
between the engines, and what the benchmarks found.
`make docs` rewrites them; tests compare. A table stands between ``<!-- variables -->`` and ``<!-- /variables -->``,
or ``permissions``, ``changes``, ``statements``, ``differences``, ``reach`` and ``figures`` likewise.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "files/middleware/src"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from historia_clinica.permissions import PERMISSIONS  # of the package, which needs no installation
from historia_clinica.permissions import ROLES as PEOPLE
from support.changes import CHANGES, CHANGES_OF_PODS
from support.differences import CASES, SECTIONS, Case
from support.labs import ENGINES
from support.reach import PAGE, PARTS
from support.statements import DONE, LAB_DDL, STATEMENTS

ROLES = Path(__file__).parents[1] / "roles"
PLACE = re.compile(r"(?<=<!-- variables -->\n).*?(?=<!-- /variables -->)", re.DOTALL)


PERMITTED = re.compile(r"(?<=<!-- permissions -->\n).*?(?=<!-- /permissions -->)", re.DOTALL)
GUIDES = {
    Path(__file__).with_name("en") / "api.md": (("operation", "permission"), {"todo": "all", "lo propio": "own"}),
    Path(__file__).with_name("es") / "api.md": (("operación", "permiso"), {"todo": "todo", "lo propio": "lo propio"}),
}
#: The API's own description; a test of the middleware holds the two together.
OPENAPI = Path(__file__).parents[1] / "files/middleware/openapi.json"


def permissions(headings: tuple[str, str], words: dict[str, str]) -> str:
    """The table of permissions: a row for each operation that needs one, a column for each role.

    Args:
        headings: of the first two columns, an operation and the permission that it needs.
        words: what each scope is called.
    """
    rows = [f"| {' | '.join([*headings, *PEOPLE])} |", f"| --- | --- |{' --- |' * len(PEOPLE)}"]
    described = json.loads(OPENAPI.read_text(encoding="utf-8"))["paths"]
    operations = [
        (operation["x-permiso"], f"{method.upper()} {path.removeprefix('/api/v1')}")
        for path, methods in sorted(described.items())
        for method, operation in methods.items()
        if "x-permiso" in operation
    ]
    order = list(PERMISSIONS)
    for name, operation in sorted(operations, key=lambda each: order.index(each[0])):
        cells = [words[PERMISSIONS[name][role]] if role in PERMISSIONS[name] else "" for role in PEOPLE]
        rows.append(f"| `{operation}` | `{name}` | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def guide(path: Path) -> str:
    """A guide of the API as it should be."""
    text = permissions(*GUIDES[path])
    return PERMITTED.sub(lambda _: text, path.read_text(encoding="utf-8"))


CHANGED = re.compile(r"(?<=<!-- changes -->\n).*?(?=<!-- /changes -->)", re.DOTALL)
HANDS = {
    Path(__file__).with_name("en") / "drift.md": (
        ("manual change", "engine", "`make verify` reports", "`make lab`"),
        ("both", "repairs it", "reports it, leaves it", "reports it and stops"),
    ),
    Path(__file__).with_name("es") / "drift.md": (
        ("cambio a mano", "motor", "`make verify` indica", "`make lab`"),
        ("ambos", "lo corrige", "lo informa, no lo toca", "lo informa y se detiene"),
    ),
}


def changes(path: Path) -> str:
    """A page about changes by hand as it should be: a row for each change that the tests make."""
    heads, (both, mends, leaves, stops) = HANDS[path]
    rows = [f"| {' | '.join(heads)} |", "| --- | --- | --- | --- |"]
    for change in (*CHANGES, *CHANGES_OF_PODS):
        engine = both if change.engines == ENGINES else f"`{change.engines[0]}`"
        deed = stops if change.refused else leaves if change.tells else mends
        name = change.name if path.parent.name == "en" else change.nombre
        rows.append(f"| {name} | {engine} | `{change.check}` | {deed} |")
    text = "\n".join(rows) + "\n"
    return statements(CHANGED.sub(lambda _: text, path.read_text(encoding="utf-8")), path.parent.name)


DIFFERING = re.compile(r"(?<=<!-- differences -->\n).*?(?=<!-- /differences -->)", re.DOTALL)
#: Each page with what its first column is called.
APART = {
    Path(__file__).with_name("en") / "differences.md": "statement or operation",
    Path(__file__).with_name("es") / "differences.md": "sentencia u operación",
}


def compared(cases: Iterable[Case], heading: str, language: str) -> str:
    """A table of cases: what somebody does, and what each engine answers.

    Args:
        cases: its rows.
        heading: of the first column.
        language: ``en`` or ``es``.
    """
    rows = [
        f"| {heading} |".replace("|  |", "| |") + "".join(f" `{engine}` |" for engine in ENGINES),
        "| --- | --- | --- |",
    ]
    rows += [
        f"| {case.does[language]} | {' | '.join(case.answers[engine].words[language] for engine in ENGINES)} |"
        for case in cases
    ]
    return "\n".join(rows) + "\n"


def differences(path: Path) -> str:
    """A page about what differs between the engines as it should be: a table for each section of the cases that the tests run."""
    language = path.parent.name
    text = "\n".join(
        f"## {section.heading[language]}\n\n{compared(section.cases, APART[path], language)}" for section in SECTIONS
    )
    return DIFFERING.sub(lambda _: text, path.read_text(encoding="utf-8"))


REACHED = re.compile(r"(?<=<!-- reach -->\n).*?(?=<!-- /reach -->)", re.DOTALL)
#: Each page with its words: a login, what a login is for, the headings of the two kinds of node, who is not let in there, nobody, parts.
REACHING = {
    Path(__file__).with_name("en") / "reach.md": (
        "login", "what for", {"coordinator": "on the coordinator", "worker": "on each worker"}, "Not let in there", "nobody", "parts",
    ),
    Path(__file__).with_name("es") / "reach.md": (
        "cuenta", "para qué", {"coordinator": "en el coordinador", "worker": "en cada worker"}, "No entran", "ninguna", "partes",
    ),
}  # fmt: skip


def may(tables: Mapping[str, str], table: str, parts: str) -> str:
    """What a login may do with a table; where it may do something else with the parts of it on that node, both.

    Args:
        tables: what it may do there, by table.
        table: one of them.
        parts: what parts are called; empty where the node has none of that table.
    """
    whole, part = tables.get(table, ""), tables.get(PARTS + table, "")
    return f"{whole or '-'}, {parts} {part or '-'}" if parts and part != whole else whole


def reach(path: Path) -> str:
    """A page about who reaches what as it should be: a table for each engine and kind of node, as the tests walk them."""
    login, purpose, headings, outside, nobody, parts_of = REACHING[path]
    rows = [f"| {login} | {purpose} |", "| --- | --- |"]
    rows += [f"| `{name}` | {words[path.parent.name]} |" for name, words in PAGE.logins.items()]
    parts = ["\n".join(rows)]
    for engine, nodes in PAGE.reach.items():
        for node, logins in nodes.items():
            named = {table.removeprefix(PARTS) for tables in logins.values() for table in tables}
            columns = [table for table in PAGE.tables if table in named]
            rows = [f"| | {' | '.join(f'`{column}`' for column in columns)} |", f"| --- |{' --- |' * len(columns)}"]
            divided = {table for tables in logins.values() for table in tables if table.startswith(PARTS)}
            for name, tables in logins.items():
                cells = [may(tables, column, parts_of if PARTS + column in divided else "") for column in columns]
                rows.append(f"| `{name}` | {' | '.join(cells)} |")
            absent = ", ".join(f"`{name}`" for name in PAGE.logins if name not in logins) or nobody
            parts.append(f"## `{engine}`, {headings[node]}\n\n" + "\n".join(rows) + f"\n\n{outside}: {absent}.")
    text = "\n\n".join(parts) + "\n"
    return REACHED.sub(lambda _: text, path.read_text(encoding="utf-8"))


STATED = re.compile(r"(?<=<!-- statements -->\n).*?(?=<!-- /statements -->)", re.DOTALL)
VERDICTS = {
    "en": ("statement", "on every node", "refused", "`lab.ddl` does it"),
    "es": ("sentencia", "en todos los nodos", "se rechaza", "`lab.ddl` la hace"),
}


def statements(text: str, language: str) -> str:
    """A page about changes by hand with the table of what each engine does with a change of the tables."""
    head, done, refused, by_verb = VERDICTS[language]
    rows = [f"| {head} | `postgres_fdw` | `citus` |", "| --- | --- | --- |"]
    for statement in STATEMENTS:
        if not statement.told:
            continue
        instead = by_verb if statement.hint == LAB_DDL else statement.instead[language == "es"]
        but = statement.but[language == "es"]
        cells = [
            "; ".join(filter(None, (done, hidden) if verdict == DONE else (refused, instead)))
            for verdict, hidden in ((statement.postgres_fdw, ""), (statement.citus, but))
        ]
        rows.append(f"| `{statement.sql}` | {' | '.join(cells)} |")
    table = "\n".join(rows) + "\n"
    return STATED.sub(lambda _: table, text)


MEASURED = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)
FIGURES = Path(__file__).parents[1] / "benchmarks/figures"
MEASURED_ON = tuple(Path(__file__).parent / language / "benchmarks.md" for language in ("en", "es"))
READMES = tuple(Path(__file__).parents[1] / name for name in ("README.md", "README.es.md"))
#: Each row in both languages: what was measured, and where its cells come from: benchmark, which of its results, text with its fields.
MEASUREMENTS: tuple[tuple[str, str, tuple[tuple[str, Mapping[str, object], str], ...]], ...] = (
    (
        "`make lab` on `host`, vs. by hand (at most 3.0)",
        "`make lab` en `host`, frente a hacerlo a mano (máx. 3,0)",
        tuple((f"host-{engine}", {"engine": engine}, "{ratio} x") for engine in ENGINES[::-1]),
    ),
    (
        "a second run: time, tasks (10 s)",
        "segunda ejecución: tiempo, tareas (10 s)",
        tuple(
            (f"host-{engine}", {"engine": engine}, "{second_run_seconds} s, {second_run_tasks}")
            for engine in ENGINES[::-1]
        ),
    ),
    (
        "from a fresh `.venv` to the first API response (20 s)",
        "de un `.venv` nuevo a la primera respuesta de la API (20 s)",
        tuple((f"host-{engine}", {"engine": engine}, "{first_answer_seconds} s") for engine in ENGINES[::-1]),
    ),
    (
        "loading 1,000,000 consultations (60 s), vs. one plain COPY",
        "carga de 1.000.000 de consultas (60 s), frente a un COPY simple",
        tuple(("load", {"engine": engine}, "{seconds} s, {ratio} x") for engine in ENGINES[::-1]),
    ),
    (
        "time of the join on another column, vs. the co-located one",
        "tiempo del join por otra columna, frente al colocalizado",
        tuple(("queries", {"engine": engine}, "{other_column_ratio} x") for engine in ENGINES[::-1]),
    ),
    (
        "in pods: vs. by hand (3.0); a second run (15 s)",
        "en pods: frente a hacerlo a mano (3,0); segunda ejecución (15 s)",
        (("pods", {"part": "make"}, "{ratio} x; {second_run_seconds} s"),),
    ),
    (
        "in pods: five labs at once, vs. one (4); memory of one (500 MiB)",
        "en pods: cinco laboratorios a la vez, frente a uno (4); memoria de uno (500 MiB)",
        (("pods", {"part": "five"}, "{ratio} x; "), ("pods", {"part": "memory"}, "{total_MiB} MiB")),
    ),
    (
        "in pods: reads again after a worker's pod is deleted; with a headless Service",
        "en pods: lecturas de nuevo tras borrar el pod de un worker; con un Service sin IP",
        (("pods", {"part": "heal"}, "{seconds} s; {headless_seconds} s"),),
    ),
    (
        "a class of 30 on `host`: first (130 s), again (30 s); memory of one (140 MB)",
        "un curso de 30 en `host`: primera vez (130 s), otra vez (30 s); memoria de uno (140 MB)",
        tuple(
            ("classroom", {"engine": engine, "labs": 30}, "{first_seconds} s, {again_seconds} s; {rest_megabytes} MB")
            for engine in ENGINES[::-1]
        ),
    ),
    (
        "API requests/s: vs. the original lab (15), FastAPI (0.85), pgbench (0.30)",
        "API, peticiones/s: frente al original (15), FastAPI (0,85), pgbench (0,30)",
        tuple(
            ("api-open", {"load": "mezcla", "server": server}, text)
            for server, text in (("original", "{ratio} x, "), ("fastapi", "{ratio} x, "), ("pgbench", "{ratio} x"))
        ),
    ),
    (
        "API with authorization, vs. FastAPI with the same (1.05)",
        "API con permisos, frente a FastAPI con los mismos (1,05)",
        (("api-rules", {"load": "mezcla", "server": "fastapi"}, "{ratio} x"),),
    ),
    (
        "API, 1,000 clients, database locked: longest wait (10 s); extra memory (100 MiB)",
        "API, 1.000 clientes, base de datos bloqueada: espera máxima (10 s); memoria extra (100 MiB)",
        (("overload", {"load": "stuck"}, "{longest_s} s; "), ("overload", {"load": "memory"}, "{growth_mib} MiB")),
    ),
)


def measured(name: str, which: Mapping[str, object], text: str) -> str:
    """A figure that a benchmark found; a dash where nobody has run it."""
    file = FIGURES / f"{name}.json"
    if not file.exists():
        return "-"
    results = json.loads(file.read_text(encoding="utf-8"))["results"]
    rows = [row for result in results for row in result.get("table", [result])]
    found = [row for row in rows if which.items() <= row.items()]
    return text.format(**found[0]) if found else "-"


def figures(path: Path) -> str:
    """A page of figures with its table as it should be."""
    spanish = path.parent.name == "es"
    rows = [
        "| medido | Citus | `postgres_fdw` |" if spanish else "| measured | Citus | `postgres_fdw` |",
        "| --- | --- | --- |",
    ]
    for english, castellano, cells in MEASUREMENTS:
        found = [measured(*cell) for cell in cells]
        if set("".join(found)) <= {"-"}:
            continue  # nobody has measured it
        # Two cells are the engines'; more or fewer are all of Citus.
        texts = found if len(cells) == 2 and "engine" in cells[0][1] else ["".join(found), ""]
        if spanish:
            texts = [text.replace(".", ",") for text in texts]
        rows.append(f"| {castellano if spanish else english} | {' | '.join(texts)} |")
    text = "\n".join(rows) + "\n"
    return MEASURED.sub(lambda _: text, path.read_text(encoding="utf-8"))


def readme(path: Path) -> str:
    """A README with its table of what differs most, as it should be."""
    most = compared((case for case in CASES if case.readme), "", "es" if path.name == "README.es.md" else "en")
    return DIFFERING.sub(lambda _: most, path.read_text(encoding="utf-8"))


def cell(value: Any) -> str:
    """A default as a table shows it."""
    if value == "":
        return "empty"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "`{}`".format(text.replace("|", "\\|"))


def table(spec: dict[str, Any], defaults: dict[str, Any]) -> str:
    """The table of one role's variables, over all of its entry points; a sentence where it has none.

    Args:
        spec: the role's argument_specs.
        defaults: its defaults. One that is computed and no text is in them alone: a spec has values of the type that it names.
    """
    options: dict[str, dict[str, Any]] = {}
    for entry in spec["argument_specs"].values():
        options.update(entry.get("options", {}))
    if not options:
        return "It has no variables.\n"
    rows = ["| variable | type | default | description |", "| --- | --- | --- | --- |"]
    for name, option in options.items():
        description = option["description"]
        text = " ".join(description) if isinstance(description, list) else description
        if "choices" in option:
            text += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        text = re.sub(r"[CVOM]\(([^)]*)\)", r"`\1`", text).replace("|", "\\|")
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        default = "required" if option.get("required") else cell(option.get("default", defaults.get(name)))
        rows.append(f"| `{name}` | {kind} | {default} | {text} |")
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
    defaults = role / "defaults/main.yml"
    text = table(spec, yaml.safe_load(defaults.read_text(encoding="utf-8")) if defaults.exists() else {})
    return PLACE.sub(lambda _: text, readme)


def main() -> int:
    """Rewrite what differs."""
    pages = {role / "README.md": written(role) for role in sorted(ROLES.iterdir())}
    pages |= {page: guide(page) for page in GUIDES}
    pages |= {page: changes(page) for page in HANDS}
    pages |= {page: differences(page) for page in APART}
    pages |= {page: reach(page) for page in REACHING}
    pages |= {page: figures(page) for page in MEASURED_ON}
    pages |= {page: readme(page) for page in READMES}
    for page, text in pages.items():
        if page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
            print(f"{page} rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())
