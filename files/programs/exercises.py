"""The commands of the exercises: `make exercises`, `make check` and the others run it; and those of a class: `make grade`, `make class-status`.

It needs a Python that has psycopg, pydantic and PyYAML: the checkout's .venv, or that of the labs (`runtime/bin/python` beside their folder).
"""

import os
import sys
from pathlib import Path

root = Path(__file__).resolve().parents[2]
# An installed collection lies in ansible_collections/aula/historia_clinica; a checkout has a link to itself in collections/.
installed = root.match("ansible_collections/aula/historia_clinica")
sys.path[:0] = [str(root / "files" / "grading" / "src"), str(root.parents[2] if installed else root / "collections")]

from grading import class_program, program  # noqa: E402 # found by the path above

os.umask(0o077)
main = class_program.main if sys.argv[1:2] and sys.argv[1] in class_program.COMMANDS else program.main
sys.exit(main(root / "exercises"))
