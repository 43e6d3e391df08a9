#!/usr/bin/python3 -I
"""aula: what a student does with the lab of their account on this server.

Root's, and the only program that an account of a class runs as root (sudo). It finds out whose account it is by sudo's word alone, takes
the lab from /etc/historia-clinica/accounts/ACCOUNT, and knows no other. The checks and solutions of the exercises stay with root;
psql runs as the account itself, since it starts shells, and the account itself opens the files that it names.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ACCOUNTS = Path("/etc/historia-clinica/accounts")
LOCKS = Path("/run/aula")
SELF = "/usr/local/bin/aula"
REGISTRY = Path("/var/lib/historia-clinica/registry")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAME = r"[a-z0-9][a-z0-9-]{0,63}"
#: A file, as a student names it: nothing that a program would take for an option, nor a sign that ends a line.
NAMED = re.compile(r"[^-\x00-\x1f\ud800-\udfff][^\x00-\x1f\ud800-\udfff]*")
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
#: A file that a student brings has so many bytes at most (some 50,000 rows), and is read in so many seconds: it may be a pipe.
LARGEST, SECONDS = 5_000_000, 10
#: How the file of the rows that were refused ends, as the import calls it.
REFUSED = ".rechazadas.csv"
#: The commands of whoever made the lab, as its messages name them: the student types the values alone, and no lab.
VALUE = r"[\w-]+(?:[./][\w-]+)*"
TYPED = re.compile(
    rf"\bmake (psql|import|{'|'.join(WORDS)})\b(?!-)((?: [A-Z_]+={VALUE})*)(?: ARGS=(?:\"([^\"]*)\"|({VALUE})))?"
)
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
aula import ARCHIVO MAPEO       trae el archivo de otro hospital; con --check detrás, solo lo revisa
aula chaos FALLA NODO SEGUNDOS  daña un nodo por un rato: kill, freeze o cut
aula rotate CUENTA              cambia la contraseña de una cuenta de la base""",
        "none": "La cuenta {account} no tiene laboratorio en este servidor. Avise a su profesor.",
        "busy": "Otro `aula {word}` suyo aún no termina: espere a que acabe.",
        "silent": "El laboratorio {lab} no está hecho, o no tiene esa contraseña. Avise a su profesor.",
        "unreadable": "Su cuenta no puede leer {path}: revise el nombre y los permisos.",
        "large": "{path} tiene más de {megabytes} MB: divídalo.",
        "earlier": "{path} ya está, de una importación anterior: importe ese cuando lo haya corregido, o bórrelo.",
        "unwritable": "Las filas rechazadas no se pudieron guardar en {path}: importe un archivo de una carpeta suya.",
        "left": "Las copias de sus archivos no se pudieron borrar de {path}. Avise a su profesor.",
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
aula import FILE MAPPING        brings another hospital's file in; with --check behind, only looks at it
aula chaos FAULT NODE SECONDS   breaks a node for a while: kill, freeze or cut
aula rotate LOGIN               changes the password of a login of the database""",
        "none": "The account {account} has no lab on this server. Tell your teacher.",
        "busy": "Another `aula {word}` of yours has not ended yet: wait for it.",
        "silent": "The lab {lab} is not made, or has no such password. Tell your teacher.",
        "unreadable": "Your account cannot read {path}: look at its name and its permissions.",
        "large": "{path} has more than {megabytes} MB: split it.",
        "earlier": "{path} is there, of an earlier import: import that one once it is mended, or remove it.",
        "unwritable": "The refused rows could not be kept in {path}: import a file of a folder of yours.",
        "left": "The copies of your files could not be removed from {path}. Tell your teacher.",
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
        return " ".join(["aula", found[1], *values, *filter(None, (found[3], found[4]))])

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


def as_user(user: pwd.struct_passwd, command: list[str], given: bytes = b"", largest: int = 0) -> tuple[int, bytes]:
    """Run a program as a user, in the folder where the student is; its exit code, and the beginning of what it prints.

    The user may do with the program what he likes: it gets so many seconds, and no more of what it prints is taken.
    """
    with subprocess.Popen(
        command,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=os.getgrouplist(user.pw_name, user.pw_gid),
        umask=0o077,
        env={"PATH": PATH, "LANG": "C.UTF-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin  # noqa: S101 # both are pipes
        assert process.stdout  # noqa: S101
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(given)
                process.stdin.close()
            said = process.stdout.read(largest)
            process.stdout.close()
            return process.wait(), said
        finally:
            timer.cancel()


def content(user: pwd.struct_passwd, path: Path, largest: int) -> bytes:
    """What is in a file that a user can read: root never opens it.

    Raises:
        RefusedError: the user cannot, or there is too much in it.
    """
    command = ["/usr/bin/head", "--bytes", str(largest + 1), "--", str(path)]
    code, said = as_user(user, command, largest=largest + 1)
    if len(said) > largest:
        raise RefusedError("large", path=path, megabytes=largest // 1_000_000)
    if code != 0:
        raise RefusedError("unreadable", path=path)
    return said


def bring(account: pwd.struct_passwd, about: dict[str, str], arguments: list[str]) -> int:
    """Take another hospital's file into the lab, as the lab's own user; the exit code.

    Raises:
        RefusedError: there is no such lab, or one of the files does not serve.
    """
    only_look = "--check" in arguments
    file, *mapping = [Path(word) for word in arguments if word != "--check"]
    lab = REGISTRY / about["lab"]
    try:
        record = json.loads((of_root(lab) / "lab.json").read_text(encoding="utf-8"))
        program, user = str(of_root(lab / "bin/import")), pwd.getpwnam(record["user"])
    except (OSError, ValueError, KeyError) as error:
        raise RefusedError("silent", lab=about["lab"]) from error
    copies = [(path, content(account, path, LARGEST)) for path in (file, *mapping)]
    refused = file.with_name(file.stem + REFUSED)
    if not only_look and as_user(account, ["/usr/bin/test", "-e", str(refused)])[0] == 0:
        raise RefusedError("earlier", path=refused)
    place = tempfile.mkdtemp(prefix="aula-")
    try:
        code = _brought(account, user, program, Path(place), copies, only_look)
        if code == 2 and not only_look:  # rows were refused
            rows = content(user, Path(place, "file", refused.name), 10 * LARGEST)
            keep = ["/bin/sh", "-c", 'set -C; cat > "$1"', "sh", str(refused)]
            if as_user(account, keep, rows)[0] != 0:
                raise RefusedError("unwritable", path=refused)
    finally:
        try:
            shutil.rmtree(place)
        except OSError as error:  # patients' data: not without a word
            raise RefusedError("left", path=place) from error
    return code


def _brought(
    account: pwd.struct_passwd,
    user: pwd.struct_passwd,
    program: str,
    place: Path,
    files: list[tuple[Path, bytes]],
    only_look: bool,
) -> int:
    """Run the import on copies of a student's files, in a folder that becomes the lab's user's; its exit code."""
    words = [program, "--user", account.pw_name, *(["--check"] if only_look else [])]
    shown = {}
    for (path, text), folder, option in zip(files, ("file", "mapping"), ([], ["--mapping"]), strict=False):
        copy = place / folder / path.name  # a folder for each, as both may have the same name
        copy.parent.mkdir()
        copy.write_bytes(text)
        words += [*option, str(copy)]
        shown[f"{copy.parent}/"] = "" if path.parent == Path() else f"{path.parent}/"
        os.chown(copy, user.pw_uid, user.pw_gid)
        os.chown(copy.parent, user.pw_uid, user.pw_gid)
    os.chown(place, user.pw_uid, user.pw_gid)  # the last: until now nobody else could enter
    done = subprocess.Popen(
        words,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        umask=0o077,
        cwd=place,
        env={"PATH": PATH, "HOME": str(place), "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert done.stdout  # noqa: S101 # it is a pipe
    try:
        while line := done.stdout.readline(4096):  # whose user could print one without an end
            for folder, name in shown.items():
                line = line.replace(folder, name)
            print(as_typed(line), end="", flush=True)
        return done.wait()
    finally:
        done.kill()  # where the student has left: else it would write on while its folder is removed
        done.wait()


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
    if word != "import":
        return run(about, word, arguments)
    for end in (signal.SIGHUP, signal.SIGTERM):  # who leaves leaves no copies
        signal.signal(end, lambda *_: sys.exit(1))
    return bring(account, about, arguments)


def understood(words: list[str]) -> bool:
    """Whether these are a command."""
    if not words or words[0] == "psql":
        return bool(words)
    if words[0] == "import":
        files = [word for word in words[1:] if word != "--check"]
        return 1 <= len(files) <= 2 and len(words) - len(files) <= 2 and all(map(NAMED.fullmatch, files))
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
