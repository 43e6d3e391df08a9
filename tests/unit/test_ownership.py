"""What root owns and what a lab's user owns: who does what, and that no link of another user's is followed."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    ensure_text,
    read_text,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import replaceable

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as other users")
MINE = Ownership(os.geteuid(), os.getegid())


@pytest.fixture
def nobody() -> Ownership:
    """Another user than this process'."""
    user = pwd.getpwnam("nobody")
    return Ownership(user.pw_uid, user.pw_gid)


@pytest.fixture
def theirs(open_place: Path, nobody: Ownership) -> Path:
    """A folder of the other user's."""
    folder = open_place / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, nobody.uid, nobody.gid)
    return folder


@pytest.fixture
def sentinel(open_place: Path) -> Iterator[Path]:
    """A file that links lead to; it stays as it is."""
    path = open_place / "sentinel"
    path.write_text("secret")
    path.chmod(0o600)
    before = path.stat()
    yield path
    after = path.stat()
    assert path.read_text() == "secret"
    assert (after.st_uid, after.st_gid, after.st_mode, after.st_ino) == (
        before.st_uid,
        before.st_gid,
        before.st_mode,
        before.st_ino,
    )


def attributes(path: Path) -> tuple[int, int]:
    """A path's user and mode."""
    found = path.lstat()
    return found.st_uid, stat.S_IMODE(found.st_mode)


def test_without_another_user_the_work_is_done_here() -> None:
    """An ordinary person's labs know only one user."""
    assert Ownership().act(os.getpid) == os.getpid()
    assert MINE.act(os.getpid) == os.getpid()
    assert not MINE.other
    assert MINE.mode(0o700) == 0o700


@as_root
def test_another_users_work_is_done_by_that_user_for_good(nobody: Ownership) -> None:
    """All of its numbers are the other user's, no group is left, and it does not become root again."""

    def who() -> list[object]:
        try:
            os.seteuid(0)
        except PermissionError:
            return [*os.getresuid(), *os.getresgid(), os.getgroups()]
        return ["root again"]

    assert nobody.act(who) == [*[nobody.uid] * 3, *[nobody.gid] * 3, []]
    assert os.geteuid() == 0


@as_root
def test_what_another_user_may_not_do_fails_with_its_words(nobody: Ownership, sentinel: Path) -> None:
    """The error is an error here; nothing else of it comes back."""
    with pytest.raises(OSError, match="Permission denied"):
        nobody.act(lambda: sentinel.read_text(encoding="utf-8"))


@as_root
def test_what_a_users_programs_read_is_roots_and_the_groups_to_read(open_place: Path, nobody: Ownership) -> None:
    """The group gets what the owner has, but writing."""
    folder = open_place / "bin"
    assert ensure_directory(str(folder), nobody.mode(0o700), nobody.readable)
    assert ensure_text(str(folder / "a"), "x", nobody.mode(0o600), nobody.readable)
    assert (attributes(folder), attributes(folder / "a")) == ((0, 0o750), (0, 0o640))
    assert nobody.act(lambda: read_text(str(folder / "a"))) == "x"
    assert not ensure_text(str(folder / "a"), "x", nobody.mode(0o600), nobody.readable)


@as_root
def test_a_folder_is_taken_over_and_no_link(theirs: Path, sentinel: Path, nobody: Ownership) -> None:
    """Neither to a folder nor to a file; where root has made the link, it is followed."""
    (theirs / "logs").symlink_to(sentinel.parent)
    os.lchown(theirs / "logs", nobody.uid, nobody.gid)
    before = attributes(sentinel.parent)
    with pytest.raises(NotADirectoryError, match="no directory"):
        ensure_directory(str(theirs / "logs"), 0o700, nobody)
    assert attributes(sentinel.parent) == before
    assert ensure_directory(str(theirs), 0o750, MINE)
    assert attributes(theirs) == (0, 0o750)
    (sentinel.parent / "elsewhere").mkdir()
    (sentinel.parent / "link").symlink_to("elsewhere")
    assert ensure_directory(str(sentinel.parent / "link"), 0o711, MINE)
    assert attributes(sentinel.parent / "elsewhere") == (0, 0o711)


@as_root
def test_a_file_of_another_user_is_replaced_even_with_the_same_text(theirs: Path, nobody: Ownership) -> None:
    """Whoever has it open would go on writing into it."""
    path = theirs / "psql"
    path.write_text("#!/bin/sh\n")
    os.chown(path, nobody.uid, nobody.gid)
    os.chown(theirs, 0, 0)
    with path.open("a") as still_open:
        assert ensure_text(str(path), "#!/bin/sh\n", 0o755, MINE)
        still_open.write("evil\n")
    assert path.read_text() == "#!/bin/sh\n"
    assert attributes(path) == (0, 0o755)


@as_root
def test_a_link_is_replaced_and_not_written_through(theirs: Path, sentinel: Path) -> None:
    """What it leads to stays."""
    path = theirs / "psql"
    path.symlink_to(sentinel)
    os.chown(theirs, 0, 0)
    assert ensure_text(str(path), "secret", 0o755, MINE)
    assert not path.is_symlink()


@as_root
def test_root_writes_into_no_folder_of_another_user(theirs: Path) -> None:
    """The message names it, and whose it is."""
    with pytest.raises(PermissionError, match=r"theirs belongs to nobody, who could replace what root writes there"):
        ensure_text(str(theirs / "a"), "x", 0o600, MINE)
    assert list(theirs.iterdir()) == []


@as_root
def test_a_link_of_another_user_is_not_read(theirs: Path, sentinel: Path, nobody: Ownership) -> None:
    """One's own is; what is no file neither hangs nor reads."""
    (theirs / "link").symlink_to(sentinel)
    os.lchown(theirs / "link", nobody.uid, nobody.gid)
    with pytest.raises(OSError, match="symbolic links"):
        read_text(str(theirs / "link"))
    (sentinel.parent / "mine").symlink_to(sentinel)
    assert read_text(str(sentinel.parent / "mine")) == "secret"
    os.mkfifo(theirs / "pipe")
    with pytest.raises(OSError, match="no file"):
        read_text(str(theirs / "pipe"))
    assert read_text(str(theirs / "none")) is None


@as_root
def test_what_another_user_could_replace_is_found(open_place: Path, nobody: Ownership) -> None:
    """Programs, configuration, record, and the folder itself; data and logs are the user's to change."""
    lab = open_place / "lab"
    for name in ("bin", "config/programs", "data", "logs", "credentials"):
        (lab / name).mkdir(parents=True)
    for name in ("bin/psql", "config/programs/a.conf", "lab.json", "data/b", "credentials/admin.pgpass"):
        (lab / name).touch()
    for name in ("data", "data/b", "logs", "credentials/admin.pgpass"):
        os.chown(lab / name, nobody.uid, nobody.gid)
    assert replaceable(lab) == []
    for name in ("bin/psql", "config/programs", "lab.json", "credentials", ""):
        os.chown(lab / name, nobody.uid, nobody.gid)
    (lab / "config/programs/a.conf").chmod(0o666)
    names = ("", "bin/psql", "config/programs", "config/programs/a.conf", "credentials", "lab.json")
    assert replaceable(lab) == sorted(str(lab / name) for name in names)
