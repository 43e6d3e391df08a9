"""What a server's log keeps: `server.sh` runs a server, and its log goes through the rules of `server_log.sed`."""

from __future__ import annotations

import os
import platform
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[2] / "files/programs"
WITHHELD = "(not kept: it may quote a person's data)"
#: A line's SQLSTATE, login and database, severity and message; and whether the message is kept.
LINES = [
    ('23505 ana@historia_clinica ERROR:  duplicate key value violates unique constraint "pacientes_pkey"', True),
    (
        '23505 ERROR:  duplicate key value violates unique constraint "medicos_pkey"',
        True,
    ),  # a worker's copy: nobody's session
    ('23514 ana@x ERROR:  new row for relation "pacientes" violates check constraint "pacientes_cedula_check"', True),
    ('23503 ana@x ERROR:  insert or update on table "consultas" violates foreign key constraint "consultas_fk"', True),
    (
        '23503 ana@x ERROR:  update or delete on table "pacientes" violates foreign key constraint "fk" on table "consultas"',
        True,
    ),
    ('23502 ana@x ERROR:  null value in column "nombre" of relation "pacientes" violates not-null constraint', True),
    ('23514 ana@x ERROR:  no partition of relation "pacientes" found for row', True),
    ("23505 ana@x ERROR:  Ana Soto is there already", False),  # what somebody's own function says
    ("57014 ana@x ERROR:  canceling statement due to statement timeout", True),
    ("40P01 ana@x ERROR:  deadlock detected", True),
    ("42501 ana@x ERROR:  permission denied for table pacientes", True),
    ('28P01 ana@x FATAL:  password authentication failed for user "ana"', True),
    ('22023 LOG:  invalid value for parameter "work_mem": "much"', True),  # of a file of settings
    ("00000 ana@x LOG:  the patient Ana Soto is there", False),
    ("00000 ana@x LOG:  process 12 still waiting for ShareLock on transaction 745 after 1000.109 ms", True),
    (
        "00000 ana@x LOG:  process 12 still waiting for ExclusiveLock on advisory lock [5,0,1000119527,1] after 1000.1 ms",
        False,
    ),
    ("00000 LOG:  database system is ready to accept connections", True),
    ('XX000 ana@x ERROR:  duplicate key value violates unique constraint "pacientes_pkey_102008"', True),
    ("XX000 ana@x ERROR:  cache lookup failed for type 16385", True),
    ('XX000 ana@x ERROR:  invalid input syntax for type date: "Ana Soto"', False),  # a worker's, handed on by Citus
    ('22P02 ana@x ERROR:  invalid input syntax for type integer: "1000119527"', False),
    ('22007 ana@x ERROR:  invalid input syntax for type date: "x ERROR:  1000119527"', False),
    ('42703 ana@x ERROR:  column "1000119527" does not exist', False),
    ('42601 ana@x ERROR:  syntax error at or near "1000119527"', False),
    ('22P02 ana@x ERROR:  invalid input syntax for type integer: "TI-1234567890"', False),
    ('42703 ana@x ERROR:  column "RC-A1B2C3D4E5F" does not exist', False),
    ("XX000 ana@x ERROR:  no patient RC-A1B2C3D4E5F", False),
    ("XX000 ana@x ERROR:  no patient CE-AB12", False),
    (
        "00000 ana@x LOG:  process 12 still waiting for ShareLock on TI-12345678901 after 1000.109 ms",
        False,
    ),
    ("P0001 ana@x ERROR:  the patient Ana Soto is there", False),
    ("01000 ana@x WARNING:  the patient Ana Soto is there", False),
]


def kept(text: str) -> str:
    """What the rules leave of a log."""
    now = "-l" if platform.system() == "Darwin" else "-u"
    rules = str(PROGRAMS / "server_log.sed")
    return subprocess.run(
        ["sed", now, "-E", "-f", rules], input=text, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(("line", "whole"), LINES)
@pytest.mark.parametrize("time", ["2026-11-27 19:43:00.123 -05", "2026-11-27 00:43:00.123 GMT"])
def test_a_message_is_kept_where_it_names_objects_only(line: str, whole: bool, time: str) -> None:
    """Who, SQLSTATE and severity always; the message where it holds no value."""
    begin = line[: line.index(":  ") + 3]
    wanted = line if whole else begin + WITHHELD
    assert kept(f"{time} [1234] {line}\n") == f"{time} [1234] {wanted}\n"


def test_a_message_of_several_lines_is_kept_up_to_its_first() -> None:
    """Only what somebody wrote has more than one."""
    text = "2026-11-27 19:43:00.123 -05 [1] 57014 a@x ERROR:  hello\n\tAna Soto\n\t1000119527\n"
    assert kept(text) == "2026-11-27 19:43:00.123 -05 [1] 57014 a@x ERROR:  hello\n"


def test_a_login_with_a_blank_hides_no_message() -> None:
    """Where the line cannot be read, nothing behind the SQLSTATE is kept."""
    assert kept("2026-11-27 19:43:00.123 -05 [1] 22P02 an a@x ERROR:  Ana\n").endswith(f"[1] 22P02 {WITHHELD}\n")


def test_what_is_no_servers_line_is_kept() -> None:
    """Of initdb, of the shell, of the system's loader."""
    assert kept("initdb: hello\n") == "initdb: hello\n"


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM"])
def test_a_server_gets_its_signals_and_has_the_last_word(tmp_path: Path, name: str) -> None:
    """Its exit code is the program's, which ends when the log is complete: whoever reads it needs the last lines most."""
    line = "2026-11-27 19:43:00.123 -05 [1] 22P02 a@x ERROR:  Ana"
    says = (
        "import signal, sys\n"
        f"signal.signal(signal.SIG{name}, lambda *_: sys.exit(sys.stderr.write({line!r} + chr(10)) and 3))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    rules = [PROGRAMS / "server.sh", PROGRAMS / "server_log.sed"]
    command: list[str | Path] = ["sh", *rules, tmp_path / "log", sys.executable, "-c", says]

    def as_supervised() -> None:
        """Let no signal be ignored: what runs in the background may have been told to, and supervisord's programs are not."""
        signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)

    started = subprocess.Popen(  # one thread, and nothing is held
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=as_supervised
    )
    assert started.stdout
    with started.stdout as said:
        try:
            assert said.readline() == "ready\n"
            started.send_signal(getattr(signal, f"SIG{name}"))
            assert started.wait(30) == 3
        except BaseException:
            started.kill()
            raise
        os.set_blocking(said.fileno(), False)  # nobody writes any more: all of it is there
        assert said.read() == line.replace("Ana", WITHHELD) + "\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("bound", ["512", ""])
def test_a_server_has_as_much_memory_as_it_may(tmp_path: Path, bound: str) -> None:
    """Megabytes of each process of it; where none are named, as much as whoever starts it."""
    rules = [PROGRAMS / "server.sh", PROGRAMS / "server_log.sed"]
    says = "import resource; print(*resource.getrlimit(resource.RLIMIT_AS))"
    done = subprocess.run(
        ["sh", *rules, tmp_path / "log", sys.executable, "-c", says],
        env={**os.environ, "LAB_MEMORY_MB": bound},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    is_bound = bound and platform.system() != "Darwin"  # which says so in the server's log
    expected = (512 << 20, 512 << 20) if is_bound else resource.getrlimit(resource.RLIMIT_AS)
    assert done.stdout.split() == list(map(str, expected))
