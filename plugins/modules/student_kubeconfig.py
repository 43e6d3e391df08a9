#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Keep a kubeconfig for a student, with a token that ends."""

from __future__ import annotations

DOCUMENTATION = r"""
module: student_kubeconfig
short_description: Keep a kubeconfig for a student, with a token that ends
description:
  - Asks the cluster (TokenRequest) for a token of a ServiceAccount, and keeps it in a kubeconfig with the mode 0600. Of the kubeconfig that it
    asks with, the new one has the cluster's address and certificate, and nothing of its user.
  - A token that is there stays until it is near its end, or until the account was made anew.
  - Runs with the interpreter of the runtime environment, which has the package kubernetes.
options:
  path:
    description: Where the kubeconfig is kept. The directory is there.
    type: path
    required: true
  namespace:
    description: The account's namespace.
    type: str
    required: true
  account:
    description: The ServiceAccount.
    type: str
    default: student
  days:
    description: How many days a token is asked for. The cluster may grant fewer.
    type: int
    default: 150
  renew_days:
    description: How many days before its end a token is renewed; of one that the cluster granted for less than twice of that, at half of its time.
    type: int
    default: 30
  kubeconfig:
    description: Path of the kubeconfig. The variable E(K8S_AUTH_KUBECONFIG) is taken without it.
    type: path
  context:
    description: Name of the context. The variable E(K8S_AUTH_CONTEXT) is taken without it.
    type: str
attributes:
  check_mode:
    support: full
    description: Says what would change; a kubeconfig that is not there yet is empty.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Keep a kubeconfig for the student
  aula.historia_clinica.student_kubeconfig:
    path: /var/lib/historia-clinica/labs/ana-soto/credentials/student.kubeconfig
    namespace: hc-ana-soto
  register: workspace_student
  no_log: true
"""

RETURN = r"""
text:
  description: The kubeconfig, for the student alone.
  returned: success
  type: str
server:
  description: The address of the cluster's API in it.
  returned: success
  type: str
local:
  description: Whether that address means this machine wherever it is typed.
  returned: success
  type: bool
until:
  description: When the token ends; empty where there is none yet.
  returned: success
  type: str
said:
  description: What the teacher should know of it; empty where there is nothing.
  returned: success
  type: list
  elements: str
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership, ensure_text, read_text

try:
    import yaml

    from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster import Cluster, ClusterError
    from ansible_collections.aula.historia_clinica.plugins.module_utils.kubeconfigs import (
        DAY,
        Token,
        is_of_this_machine,
        kept_token,
        kubeconfig,
    )
except ImportError as error:  # the interpreter is not the runtime's
    MISSING: ImportError | None = error
else:
    MISSING = None


def said_of(token: Token, before: Token | None, days: int) -> list[str]:
    """What a teacher should know of a token that was given now.

    Args:
        token: the new one.
        before: the one that the student may have.
        days: how long it was asked for.
    """
    said = []
    if before and before.uid == token.uid:
        said.append(
            f"The kubeconfig is renewed, until {token.until}. Students have one until {before.until}: make handout gives them this one."
        )
    if token.days < days - 0.01:  # seconds go by between question and answer
        said.append(
            f"The cluster grants a kubeconfig for {token.days:.1f} days, not for {days}: until {token.until}."
            " Type make class and make handout again before that."
        )
    return said


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "namespace": {"type": "str", "required": True},
            "account": {"type": "str", "default": "student"},
            "days": {"type": "int", "default": 150},
            "renew_days": {"type": "int", "default": 30},
            "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG"])},
            "context": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_CONTEXT"])},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(
            msg=missing_required_lib(str(MISSING.name)) + " Run the role aula.historia_clinica.runtime first."
        )
    wanted: dict[str, Any] = module.params
    path, account, said = wanted["path"], wanted["account"], []
    try:
        cluster = Cluster(wanted["kubeconfig"], wanted["context"], wanted["namespace"])
        text = read_text(path) or ""
        kept = kept_token(yaml.safe_load(text))
        token = kept if kept and kept.lasts(cluster.account_uid(account), time.time(), wanted["renew_days"]) else None
        due, changed = token is None, token is None
        if due and not module.check_mode:
            token = cluster.token(account, wanted["days"] * DAY)
            said = said_of(token, kept, wanted["days"])
        if token:
            found = kubeconfig(cluster.reached(), wanted["namespace"], account, token.text)
            text = yaml.safe_dump(found, sort_keys=False)
            changed |= ensure_text(path, text, 0o600, Ownership(), not module.check_mode)
    except ClusterError as error:
        module.fail_json(msg=str(error))
    except (OSError, ValueError, yaml.YAMLError) as error:
        module.fail_json(msg=f"{path}: {error}")
    server = cluster.reached()["server"]
    until = token.until if token else ""
    module.exit_json(
        changed=changed, text=text, server=server, local=is_of_this_machine(server), until=until, said=said
    )


if __name__ == "__main__":
    main()
