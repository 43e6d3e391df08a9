# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a lab will be, and every problem.

Decisions only: nothing here looks at the machine (module_utils/machine does) or changes anything. In the order of a run:

- ``choices``: what may be chosen, each choice once, and what a person chose; ``values``: what may stand in a choice;
- ``plan``: what the lab will be made of: choices, the lab's record and the defaults made one;
- ``observation``: what was seen of the machine;
- ``decision``: all of that, which is a ``case``, made the fact ``lab`` and one list of problems; ``reasons``: target and engine, and why.

Each subject looks for its own problems, whose registry is module_utils/problems.py: ``record`` (also a lab that is not there, or has
another's name), ``directory``, ``ports``, ``programs`` (the runtime, PostgreSQL), ``capacity`` (memory, disk), ``pods`` (Minikube, images,
the cluster). What is wrong with a value, ``values`` says.

It runs on the host's own Python, which may be the one that is too old: nothing newer than 3.8 is used at run time.
"""
