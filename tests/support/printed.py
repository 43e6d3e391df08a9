"""The commands that pages and remedies print: found in the text as a person finds them, and what each of them prints."""

from __future__ import annotations

import re

VERBS = {
    "status": r"citus-worker-2 +running.*historia_clinica, answers",
    "diagnose": r"Processes, .*Last lines of the logs.*failed=0",
    "verify": r"(\d+) of \1 checks passed",
    "token": r"token\W+ey",
    "stop": r"changed=1 .*failed=0",
    "start": r"changed=[01] .*failed=0",
    "autostart": r"starts? by itself",
    "teardown": r"changed=[1-9].*failed=0",
    "preflight": r"No problems found for .*failed=0",
    "lab": r" is ready\..*failed=0",
    "site": r" is ready\..*failed=0",
    "scale": r"No shard has to move.*failed=0",
    "reset": r" is ready\..*failed=0",
    "psql": r"\A(?!.*error)",
}
WORD = r"""(?:[^\s'";()\\]|\\.|'[^']*'|"(?:\\.|[^"\\])*")+"""
PLACE = rf"make(?: -C {WORD})?"
MAKE = rf"{PLACE} (?:{'|'.join(VERBS)})\b(?: [A-Z]+={WORD})*"
OPTIONS = rf"(?: (?:-[ieu]|--limit|--private-key|--become-user) {WORD}| -[bKk]\b)*"
PLAYBOOK = rf"ansible-playbook aula\.historia_clinica\.\w+{OPTIONS}"
#: What a shell has: to the end of its words.
PROGRAM = rf"(?:curl|ssh|kubectl|ls|df|ps|kill|rm) {WORD}(?: {WORD})*(?: \| {WORD}(?: {WORD})*)*"
PSQL = rf"(?:/\S*|'/[^']*)/bin/psql\b'?(?: {WORD})*"
COMMAND = re.compile(rf"(?<![\w/'\".-])(?:sudo )?(?:{MAKE}|{PLAYBOOK}|{PROGRAM}|{PSQL})")

#: The first pattern that fits a command says what the command prints.
EXPECTED = {
    r"curl \S+/status": r'"estado":"ok"',
    r"curl \S+/usuarios": r"Luis Herrera.*Ana María Soto",
    r".*SELECT \* FROM lab\.tables": r"pacientes +\| distributed +\| cedula",
    r"ssh -N ": "",
    r"ssh .*psql\W*$|.*/bin/psql'?$": "",
}


def verb(command: str) -> str:
    """What a command of the collection does; empty for another program's."""
    found = re.match(rf"(?:sudo )?(?:{PLACE} |ansible-playbook aula\.historia_clinica\.)([a-z]+)", command)
    return found[1] if found else ""


def expected(command: str) -> str:
    """The pattern of what a command prints.

    Raises:
        LookupError: nobody has said what it prints.
    """
    for pattern, output in EXPECTED.items():
        if re.match(pattern, command, re.DOTALL):
            return output
    if verb(command) in VERBS:
        return VERBS[verb(command)]
    raise LookupError(f"nobody has said what this command prints: {command}")


def commands_in(text: str) -> list[str]:
    """Every command that a text names, in order, each as it is to be typed."""
    return [found[0].rstrip(" .,") for found in COMMAND.finditer(text)]


def page_of(output: str, name: str) -> str:
    """The page at the end of a run that made the lab ``name``, as a run prints it: where no `brief` is set up, as quoted lines."""
    title = "The lab" if name == "lab" else f"The lab {name}"
    lines = re.sub(r'^ {8,}"(.*)",?$', r"\1", output, flags=re.MULTILINE)
    end = r"(?=^The lab |^PLAY RECAP|\Z)"
    found = re.search(rf"^{title}(?: on \S+)? is ready\..*?{end}", lines, re.MULTILINE | re.DOTALL)
    assert found, output[-3000:]
    return found[0]


def page_commands(output: str, name: str) -> list[str]:
    """The commands that the page of a lab names, in the order in which they can be followed."""
    page = page_of(output, name)
    named = commands_in(page[page.index("\n\n", page.index("middleware")) :])
    assert len(named) >= 10, page
    return named


def problems_of(output: str) -> dict[str, str]:
    """The remedy of each problem that a run named, by its id, as it is printed: with `brief`, or as Ansible prints results by itself."""
    brief = r"^ {2}([a-z-]+)\n {4}found .*?^ {4}fix      (.*?)$"
    result = r'^ +"id": "([a-z-]+)",\n +"needed": "[^\n]*",\n +"remedy": "(.*?)(?:\\n)?"'
    return dict(re.findall(brief, output, re.MULTILINE | re.DOTALL) + re.findall(result, output, re.MULTILINE))
