# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a person reads of a lab.

Pure functions of what the tasks found; nothing here asks a server. ``text`` has what they share, ``lab`` how they speak of a
lab; each other module has one command's page: ``status``, ``diagnosis``, ``verification``, ``autostart``, ``summary`` (of
``preflight`` and of a lab that is ready), ``history`` (of its tables and copies), and ``failure``.
"""
