"""What the environment may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from historia_clinica.config import ConfigurationError, Settings, from_environment

COMPLETE = {
    "PGHOST": "citus-coordinator",
    "PGUSER": "api",
    "PGDATABASE": "historia_clinica",
    "HISTORIA_CLINICA_SIGNING_KEYS": "/keys",
}


def test_settings_have_defaults() -> None:
    """The variables of libpq are enough."""
    assert from_environment(COMPLETE) == Settings(
        address="citus-coordinator:5432", access="rules", signing_keys=Path("/keys")
    )


def test_settings_come_from_the_environment() -> None:
    """Every choice has its variable."""
    assert from_environment(
        COMPLETE
        | {
            "PGPORT": "15432",
            "PGCONNECT_TIMEOUT": "7",
            "HISTORIA_CLINICA_POOL_SIZE": "3",
            "HISTORIA_CLINICA_STATEMENT_TIMEOUT": "9",
        }
    ) == Settings(
        "citus-coordinator:15432",
        pool_size=3,
        statement_timeout=9,
        connect_timeout=7,
        signing_keys=Path("/keys"),
    )


def test_missing_variables_are_named_together() -> None:
    """One look is enough to mend all."""
    with pytest.raises(ConfigurationError, match="lacks PGHOST, PGDATABASE: set"):
        from_environment({"PGUSER": "middleware", "PGDATABASE": ""})


@pytest.mark.parametrize("value", ["0", "101", "ocho", "", "-1", "1e1"])
def test_bad_number_is_told_with_its_limits(value: str) -> None:
    """The message has the variable, the value and what is allowed."""
    with pytest.raises(ConfigurationError) as caught:
        from_environment(COMPLETE | {"HISTORIA_CLINICA_POOL_SIZE": value})
    assert str(caught.value) == (
        f"HISTORIA_CLINICA_POOL_SIZE={value!r} is not a whole number from 1 to 100: correct it, or unset it to get 8."
    )


def test_rules_need_their_keys_and_open_does_not() -> None:
    """Without keys nobody could log in: the service says so at its start, and how to go on."""
    without = {name: value for name, value in COMPLETE.items() if "KEYS" not in name}
    with pytest.raises(ConfigurationError, match="HISTORIA_CLINICA_SIGNING_KEYS"):
        from_environment(without)
    assert from_environment(without | {"HISTORIA_CLINICA_ACCESS": "open"}).access == "open"
    with pytest.raises(ConfigurationError, match="neither rules nor open"):
        from_environment(COMPLETE | {"HISTORIA_CLINICA_ACCESS": "closed"})
