"""Every filter has its documentation."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load

from ansible_collections.aula.historia_clinica.plugins.filter.filters import FilterModule

FILTERS = Path(__file__).parents[2] / "plugins/filter"


def test_every_filter_is_documented() -> None:
    """ansible-doc knows each filter, under its name."""
    filters = FilterModule().filters()
    assert filters
    for name in filters:
        documented = yaml_load((FILTERS / f"{name}.yml").read_text(encoding="utf-8"))
        assert documented["DOCUMENTATION"]["name"] == name
