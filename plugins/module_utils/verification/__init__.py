# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What was promised of a lab, and whether it is kept.

Pure functions of what the tasks of the role verification found (``evidence``); nothing here asks a server. ``promises`` lists
them all, each with the function that judges it, in ``nodes``, ``tables``, ``waits``, ``logins`` or ``api``; ``verdicts`` goes
through the list.
"""
