#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Wait until a lab's pods have the credentials that its Secret has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_credentials
short_description: Wait until a lab's pods have the credentials that its Secret has
description:
  - A Secret that was changed reaches a pod when its node's kubelet comes by, a minute later or so. This has it come at once, and waits until
    every server and every pod of the middleware has what it mounts of the Secret.
  - Afterwards the servers' own copy of the nodes' passwords is the new one too.
  - Runs with the interpreter of the runtime environment, which has the package kubernetes.
options:
  namespace:
    description: The lab's namespace.
    type: str
    required: true
  state:
    description:
      - V(possible) looks whether every pod can be given other credentials, and changes nothing.
      - V(given) waits until every pod has them.
    type: str
    choices: [possible, given]
    default: given
  timeout:
    description: Seconds to wait.
    type: int
    default: 300
  kubeconfig:
    description: Path of the kubeconfig. The variable E(K8S_AUTH_KUBECONFIG) is taken without it.
    type: path
  context:
    description: Name of the context. The variable E(K8S_AUTH_CONTEXT) is taken without it.
    type: str
attributes:
  check_mode:
    support: full
    description: Waits for nothing.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Wait until every pod has the new passwords
  aula.historia_clinica.pod_credentials:
    namespace: hc-lab
"""

RETURN = r""" # """

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib

try:
    from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster import Cluster, ClusterError
except ImportError as error:  # the interpreter is not the runtime's
    MISSING: ImportError | None = error
else:
    MISSING = None


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "namespace": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["possible", "given"], "default": "given"},
            "timeout": {"type": "int", "default": 300},
            "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG"])},
            "context": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_CONTEXT"])},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(
            msg=missing_required_lib(str(MISSING.name)) + " Run the role aula.historia_clinica.runtime first."
        )
    wanted = module.params
    try:
        cluster = Cluster(wanted["kubeconfig"], wanted["context"], wanted["namespace"])
        if wanted["state"] == "possible":
            cluster.see_rotation()
        elif not module.check_mode:
            cluster.give_credentials(wanted["timeout"])
    except ClusterError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=wanted["state"] == "given")


if __name__ == "__main__":
    main()
