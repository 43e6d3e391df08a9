#!/usr/bin/python3 -I
"""aula: what a student does with the lab of their account on this server.

Root's, and the only program that an account of a class runs as root (sudo). It finds out whose account it is by sudo's word alone, takes
the lab from /etc/historia-clinica/accounts/ACCOUNT, and knows no other. The checks and solutions of the exercises stay with root;
psql runs as the account itself, since it starts shells.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

ACCOUNTS = Path("/etc/historia-clinica/accounts")
LOCKS = Path("/run/aula")
SELF = "/usr/local/bin/aula"
REGISTRY = Path("/var/lib/historia-clinica/registry")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAME = r"[a-z0-9][a-z0-9-]{0,63}"
EXERCISE = {"EXERCISE": NAME}
#: What runs as root: words of the Makefile, with the variables that the student's words behind them are. The disk is everybody's: no fault fills it.
WORDS: dict[str, dict[str, str]] = {
    "start": {},
    "stop": {},
    "status": {},
    "exercises": {},
    "exercise": EXERCISE,
    "check": EXERCISE,
    "hint": EXERCISE,
    "exercise-reset": EXERCISE,
    "chaos": {"FAULT": "kill|freeze|cut", "NODE": NAME, "DURATION": r"\d{1,3}"},
    "rotate": {"LOGIN": r"[a-z][a-z0-9_]{0,30}"},
}
#: The commands of whoever made the lab, as its messages name them: the student types the values alone, and no lab.
TYPED = re.compile(rf"\bmake (psql|{'|'.join(WORDS)})\b(?!-)((?: [A-Z_]+=[\w-]+)*)(?: ARGS=\"([^\"]*)\")?")
TEXTS = {
    "es": {
        "usage": """\
aula start | stop | status      inicia, detiene o muestra su laboratorio
aula psql                       se conecta a su base de datos
aula exercises                  los ejercicios, con estado y puntos
aula exercise NOMBRE            qué hay que hacer, y prepara el escenario
aula check NOMBRE               qué está bien y qué falta
aula hint NOMBRE                la siguiente pista
aula exercise-reset NOMBRE      el escenario, como al principio
aula chaos FALLA NODO SEGUNDOS  daña un nodo por un rato: kill, freeze o cut
aula rotate CUENTA              cambia la contraseña de una cuenta de la base""",
        "none": "La cuenta {account} no tiene laboratorio en este servidor. Avise a su profesor.",
        "busy": "Otro `aula {word}` suyo aún no termina: espere a que acabe.",
        "silent": "El laboratorio {lab} no está hecho, o no tiene esa contraseña. Avise a su profesor.",
        "unsafe": "{path} no es solo de root: aula no ejecuta nada de allí. Avise a su profesor.",
    },
    "en": {
        "usage": """\
aula start | stop | status      starts, stops or shows your lab
aula psql                       connects to your database
aula exercises                  the exercises, with state and points
aula exercise NAME              what is to be done, and prepares its stage
aula check NAME                 what is right, and what is missing
aula hint NAME                  the next hint
aula exercise-reset NAME        the stage as at the beginning
aula chaos FAULT NODE SECONDS   breaks a node for a while: kill, freeze or cut
aula rotate LOGIN               changes the password of a login of the database""",
        "none": "The account {account} has no lab on this server. Tell your teacher.",
        "busy": "Another `aula {word}` of yours has not ended yet: wait for it.",
        "silent": "The lab {lab} is not made, or has no such password. Tell your teacher.",
        "unsafe": "{path} is not root's alone: aula runs nothing from there. Tell your teacher.",
    },
}


class RefusedError(Exception):
    """What a student is told instead: a key of TEXTS, and its values."""

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text)
        self.text, self.values = text, values


def entry(account: str) -> dict[str, str]:
    """What root has written about an account: ``lab``, ``login`` of its database, ``checkout``, ``language``, ``exercises_path``.

    Raises:
        RefusedError: there is nothing.
    """
    try:
        found: dict[str, str] = json.loads((ACCOUNTS / account).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RefusedError("none", account=account) from error
    return found


def of_root(path: Path) -> Path:
    """A path of which nobody but root can change anything, from the top.

    Raises:
        RefusedError: somebody can.
    """
    real = path.resolve()
    for each in (real, *real.parents):
        state = each.stat()
        # In a folder with the sticky bit nobody removes or renames what is root's.
        if state.st_uid or (state.st_mode & 0o022 and not state.st_mode & stat.S_ISVTX):
            raise RefusedError("unsafe", path=each)
    return real


def as_typed(line: str) -> str:
    """A line with the commands that a student has in the place of make's."""

    def said(found: re.Match[str]) -> str:
        values = [value for name, value in re.findall(r"([A-Z_]+)=(\S+)", found[2]) if name != "LAB"]
        return " ".join(["aula", found[1], *values, *([found[3]] if found[3] else [])])

    return TYPED.sub(said, line)


def run(about: dict[str, str], word: str, values: list[str]) -> int:
    """Run a word of the Makefile on the lab, as root; its exit code."""
    checkout = of_root(Path(about["checkout"]))
    named = [f"{name}={value}" for name, value in zip(WORDS[word], values, strict=True)]
    if about.get("exercises_path"):
        named.append(f"EXERCISES_PATH={of_root(Path(about['exercises_path']))}")
    done = subprocess.Popen(
        [
            "/usr/bin/make",
            "--no-print-directory",
            "-C",
            str(checkout),
            word,
            f"LAB={about['lab']}",
            f"LAB_LANGUAGE={about['language']}",
            *named,
        ],
        env={
            "PATH": PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "ANSIBLE_NOCOLOR": "1",
            "COLUMNS": str(shutil.get_terminal_size().columns),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in done.stdout or ():
        if not line.startswith("make: ***"):  # that a command has failed is said before
            print(as_typed(line), end="", flush=True)
    return done.wait()


def psql(about: dict[str, str], account: pwd.struct_passwd, arguments: list[str]) -> None:
    """Become the account, and then its psql, which knows the password.

    Raises:
        RefusedError: there is no such lab or password.
    """
    place = REGISTRY / about["lab"]
    try:
        record = json.loads((of_root(place) / "lab.json").read_text(encoding="utf-8"))
        # The lab's user may write into it: it is read as what it is, a text.
        descriptor = os.open(
            place / "credentials" / f"{about['login']}.pgpass", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        )
        with os.fdopen(descriptor, encoding="utf-8") as file:
            password = file.readline().rstrip("\n").split(":", 4)[4]
    except (OSError, ValueError, IndexError) as error:
        raise RefusedError("silent", lab=about["lab"]) from error
    program = str(of_root(Path(record["postgres_bin"]) / "psql"))
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.chdir(account.pw_dir)
    # A file of the account's own that lies nowhere: neither an argument nor the environment has the password.
    kept = os.memfd_create("pgpass", 0)
    os.fchmod(kept, 0o600)
    os.write(kept, f"127.0.0.1:*:*:{about['login']}:{password}\n".encode())
    environment = {
        **{name: os.environ[name] for name in ("TERM", "LANG") if name in os.environ},
        "PATH": PATH,
        "HOME": account.pw_dir,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(record["database_port"]),
        "PGDATABASE": "historia_clinica",
        "PGUSER": about["login"],
        "PGPASSFILE": f"/proc/self/fd/{kept}",
        "PGCONNECT_TIMEOUT": "5",
    }
    os.execve(program, ["psql", *arguments], environment)  # noqa: S606 # a shell would read the arguments


def as_root(account: pwd.struct_passwd, about: dict[str, str], word: str, arguments: list[str]) -> int:
    """Do what a student asks for; the exit code.

    Raises:
        RefusedError: it cannot be done.
    """
    if word == "psql":
        psql(about, account, arguments)
    LOCKS.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(LOCKS / f"{account.pw_name}.{word}", os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RefusedError("busy", word=word) from error
    return run(about, word, arguments)


def understood(words: list[str]) -> bool:
    """Whether these are a command."""
    if not words or words[0] == "psql":
        return bool(words)
    wanted = WORDS.get(words[0])
    return (
        wanted is not None
        and len(words) - 1 == len(wanted)
        and all(re.fullmatch(form, value) for form, value in zip(wanted.values(), words[1:], strict=True))
    )


def main(words: list[str]) -> int:
    """Run it; the exit code."""
    root = os.geteuid() == 0
    # Who sudo says it is; root itself is nobody's account.
    account = pwd.getpwuid(int(os.environ.get("SUDO_UID", "0")) if root else os.getuid())
    language = "es"
    try:
        about = entry(account.pw_name)
        language = about["language"]
        if not understood(words):
            print(TEXTS[language]["usage"], file=sys.stderr)
            return 2
        if root:
            return as_root(account, about, words[0], words[1:])
        os.execv("/usr/bin/sudo", ["sudo", "--non-interactive", SELF, *words])  # noqa: S606 # as for psql: no shell reads the arguments
    except RefusedError as refusal:
        print(TEXTS[language][refusal.text].format(**refusal.values), file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # make and what it runs have got it, too
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
