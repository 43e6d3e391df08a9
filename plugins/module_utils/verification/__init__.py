# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The checks of a lab.

Pure functions of what the tasks of the role verification found (``observations``); nothing here queries a server. ``checks`` lists
them all, each with the function that evaluates it, in ``nodes``, ``tables``, ``waits``, ``logins`` or ``api``; ``results`` runs
the list.
"""
