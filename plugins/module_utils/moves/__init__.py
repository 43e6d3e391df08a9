# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Shards that move from node to node.

``plan``: which move where, computed without asking anybody; ``engines``: what each engine does to move them; ``room``: whether they fit.
The module ``shard_moves`` runs on the lab's host, the action of its name asks it again and again and says how far it is.
"""
