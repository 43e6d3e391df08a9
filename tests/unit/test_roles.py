"""Each role's description, defaults and README say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tables
import yaml

ROOT = Path(__file__).parents[2]

ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
    "raw": (str, int, float, bool, list, dict),
}


def load(path: Path) -> dict[str, Any]:
    """A YAML file's mapping; empty where there is no such file."""
    if not path.exists():
        return {}
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return loaded


def options(role: Path) -> dict[str, dict[str, Any]]:
    """The variables that a role's argument_specs describe, over all entry points."""
    found: dict[str, dict[str, Any]] = {}
    for entry in load(role / "meta/argument_specs.yml")["argument_specs"].values():
        found.update(entry.get("options", {}))
    return found


def optional(role: Path) -> dict[str, dict[str, Any]]:
    """Those that have a default: a required one is handed over by the play, and none of these is a secret's default."""
    return {name: option for name, option in options(role).items() if not option.get("required")}


def is_templated(value: object) -> bool:
    """Whether a default is computed."""
    return isinstance(value, str) and "{{" in value


#: How a variant of a task file is called: what it is a variant of, and where the lab runs.
VARIANT = re.compile(r"(?:[a-z]+_)?(?:host|kubernetes)\.yml")


def written(role: Path) -> list[Path]:
    """What a role says to Ansible: its YAML and its templates."""
    return sorted(path for path in role.rglob("*") if path.suffix in (".yml", ".j2"))


def reaches(role: Path, others: list[str]) -> list[str]:
    """Variables and files of other roles' own that a role names."""
    names = "|".join(sorted(others, key=len, reverse=True))
    private = re.compile(rf"\b__(?!{role.name}_)(?:{names})_\w+|/\.\./(?:{names})/")
    return [found for path in written(role) for found in private.findall(path.read_text(encoding="utf-8"))]


def chosen_by_target(role: Path) -> list[str]:
    """The task files that a role takes or leaves by the lab's target."""
    found = []
    for path in sorted((role / "tasks").glob("*.yml")):
        for task in re.split(r"(?m)^\s*- name:", path.read_text(encoding="utf-8")):
            if re.search(r"(?:include|import)_tasks:", task) and "['target']" in task:
                found += re.findall(r"\w+\.yml", task)
    return found


def test_there_are_roles() -> None:
    """Else every test below would pass on nothing."""
    assert len(ROLES) >= 10


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
class TestRole:
    """What holds for each role."""

    def test_specs_and_defaults_name_the_same_variables(self, role: Path) -> None:
        """No variable without a description, none described that the role does not have."""
        assert set(optional(role)) == set(load(role / "defaults/main.yml"))

    def test_specs_and_defaults_have_the_same_values(self, role: Path) -> None:
        """The default described is the default used; one that is computed is described in words."""
        defaults = load(role / "defaults/main.yml")
        for name, option in optional(role).items():
            if not is_templated(defaults[name]):
                assert option.get("default") == defaults[name], name

    def test_defaults_have_the_types_described(self, role: Path) -> None:
        """A default is of the type that a person is told to give."""
        defaults = load(role / "defaults/main.yml")
        for name, option in optional(role).items():
            if not is_templated(defaults[name]):
                assert isinstance(defaults[name], TYPES[option["type"]]), name

    def test_a_computed_default_is_described_where_it_has_its_type(self, role: Path) -> None:
        """An expression is a text: as the default of a list or a bool in the specs, no documentation can be built of it."""
        for name, option in options(role).items():
            if is_templated(option.get("default")):
                assert option["type"] in ("str", "path", "raw"), name

    def test_variables_carry_the_roles_name(self, role: Path) -> None:
        """What a person sets starts with it; what the role computes does too, behind two underscores where it is its own."""
        assert all(name.startswith(f"{role.name}_") for name in load(role / "defaults/main.yml"))
        assert all(name.removeprefix("__").startswith(f"{role.name}_") for name in load(role / "vars/main.yml"))

    def test_readme_has_the_table_of_the_specs(self, role: Path) -> None:
        """`make docs` writes it."""
        assert (role / "README.md").read_text(encoding="utf-8") == tables.written(role)

    def test_readme_fits_a_screen(self, role: Path) -> None:
        """Sixty lines, a title, and what its messages mean."""
        readme = (role / "README.md").read_text(encoding="utf-8")
        assert len(readme.splitlines()) <= 60
        assert readme.startswith(f"# {role.name}\n")

    def test_every_entry_point_is_described(self, role: Path) -> None:
        """A tasks file that a play may name has an entry in the specs; the rest is included by main only."""
        entries = load(role / "meta/argument_specs.yml")["argument_specs"]
        named = re.findall(
            rf"name: aula\.historia_clinica\.{role.name}\n\s+tasks_from: (\w+)",
            "".join(path.read_text(encoding="utf-8") for path in (ROOT / "playbooks").glob("*.yml")),
        )
        main = ["main"] if (role / "tasks/main.yml").exists() else []
        assert {*main, *named} <= set(entries)

    def test_what_is_another_roles_own_is_left_to_it(self, role: Path) -> None:
        """What two roles need is a role of its own that both depend on, or a file beside the roles."""
        others = [other.name for other in ROLES if other != role]
        assert reaches(role, others) == []

    def test_the_lab_is_read_in_the_defaults(self, role: Path) -> None:
        """What a role takes from the facts stands in one place, where a person sees it and can hand over something else."""
        places = [path for path in written(role) if path.parent.name not in ("defaults", "meta")]
        assert [str(path) for path in places if "ansible_facts" in path.read_text(encoding="utf-8")] == []

    def test_a_variant_of_a_task_file_is_named_after_its_target(self, role: Path) -> None:
        """host.yml and kubernetes.yml, behind the name of what they are a variant of; nothing else is chosen by the target."""
        assert [name for name in chosen_by_target(role) if not VARIANT.fullmatch(name)] == []
