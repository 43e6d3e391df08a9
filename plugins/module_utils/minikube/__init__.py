# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Minikube: what it says, what that means, and what to do about it.

- ``settings``: what a person wants of a profile, checked and typed;
- ``profiles``: how a profile is, what differs, what has to be done;
- ``drivers``: what a machine has for Minikube, and what keeps a profile from being started there;
- ``failures``: why a command failed, and what to do;
- ``images``: what a build would see;
- ``kubeconfig``: the file that has a profile's context;
- ``run``, ``client``, ``lock``: Minikube's program, run for one profile by one task at a time.

``preflight`` uses it on the host's own Python, which may be an old one: nothing newer than 3.8 is used at run time.
"""
