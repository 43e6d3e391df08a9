#!/bin/sh
# ansible-core 2.19.4 (PyPI) with Python 3.11 to 3.13: a module costs more of the processor with pipelining than without, on the same machine.
#
# Guess: pipelining leaves out a file and three shells for each module, so it is cheaper.
# Seen:  a packed module is a script with one line of more than 170,000 characters (a zip in base64). Without pipelining Python is given its
#        name; with it, the script comes by standard input, and Python reads a long line from there several times as slowly as from a file.
#        For ansible.builtin.file that is about 60 ms of 300, for a line of 500,000 characters 150 ms: more than the 20 ms of the shells that are saved.
# So pipelining is for connections with a way to go, where a round trip costs more than that. Prints the medians, and fails where it differs.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/v"
"$place/v/bin/pip" install -q --disable-pip-version-check ansible-core==2.19.4
# The packed module is kept where it was copied to.
ANSIBLE_KEEP_REMOTE_FILES=1 "$place/v/bin/ansible" -i localhost, -c local all -m ansible.builtin.file -a "path=$place state=directory" \
  -e "ansible_python_interpreter=$place/v/bin/python" -e "ansible_remote_tmp=$place/kept" >"$place/log"
"$place/v/bin/python" - "$place"/kept/*/AnsiballZ_file.py <<'PYTHON'
import resource, statistics, subprocess, sys

packed = sys.argv[1]


def seconds(arguments, **options):
    """The processor's seconds of a Python."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


longest = max(map(len, open(packed, encoding="utf-8")))
assert longest > 100_000, longest
by_name, by_input = [], []
for _ in range(15):
    by_name.append(seconds([packed]))
    with open(packed, encoding="utf-8") as script:
        by_input.append(seconds([], stdin=script))
name, given = statistics.median(by_name), statistics.median(by_input)
print(f"longest line {longest} characters; by its name {name:.3f} s of the processor, by standard input {given:.3f} s")
assert given > name + 0.02, "a script from standard input costs no more than one that is named"
PYTHON
