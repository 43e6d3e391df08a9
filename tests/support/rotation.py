"""What a lab's secrets are before and after they were changed, on a host and in pods."""

from __future__ import annotations

from support.labs import Lab

LOGINS = ("admin", "middleware", "api", "readonly", "replication")
NODES = ("citus-coordinator", "citus-worker-1", "citus-worker-2")


def secrets_of(lab: Lab) -> dict[str, str]:
    """The text of each file with secrets, by its name."""
    folder = lab.directory / "credentials"
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()) if path.is_file()}


def rotated(lab: Lab, before: dict[str, str]) -> None:
    """See that every secret is another one, that the old ones are refused and the new ones are not, and that nothing is left to do."""
    after = secrets_of(lab)
    assert sorted(after) == sorted(before)
    assert [name for name in after if after[name] == before[name]] == []
    assert not (lab.directory / "credentials" / "next").exists()
    for login in LOGINS:
        if login == "replication" and lab.engine == "citus":
            continue
        old, new = (files[f"{login}.pgpass"].strip().rpartition(":")[2] for files in (before, after))
        known = [node for node in NODES if login == "admin" or node == "citus-coordinator" or lab.engine == "citus"]
        assert [lab.lets_in(login, old, node) for node in known] == [False] * len(known), login
        assert [lab.lets_in(login, new, node) for node in known] == [True] * len(known), login


def generated(lab: Lab, name: str) -> bool:
    """Whether what takes the place of a file lies beside it."""
    return (lab.directory / "credentials" / "next" / name).exists()


def placed(lab: Lab, name: str) -> bool:
    """Whether it has taken its place, and still lies there too."""
    folder = lab.directory / "credentials"
    return generated(lab, name) and (folder / name).read_text() == (folder / "next" / name).read_text()
