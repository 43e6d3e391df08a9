# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The students of a class: read from a teacher's list (``table``), each with a lab and ports that stay his (``numbering``)."""
