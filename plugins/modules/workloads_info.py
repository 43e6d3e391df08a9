#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""See what a lab's namespace holds."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workloads_info
short_description: See what a lab's namespace holds
description:
  - Lists the pods of a namespace; with O(details) also its workloads, Services and volumes, why a pod is not ready, the events
    and the last lines of each log.
  - A cluster that does not answer is no failure, but what there is to tell.
  - Runs with the interpreter of the runtime environment, which has the package kubernetes.
options:
  namespace:
    description: The namespace.
    type: str
    required: true
  details:
    description: Whether more than the pods is wanted.
    type: bool
    default: false
  kubeconfig:
    description: Path of the kubeconfig. The variable E(K8S_AUTH_KUBECONFIG) is taken without it.
    type: path
  context:
    description: Name of the context. The variable E(K8S_AUTH_CONTEXT) is taken without it.
    type: str
attributes:
  check_mode:
    support: full
    description: It only reads.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Look at the pods
  aula.historia_clinica.workloads_info:
    namespace: hc-lab
  register: status_pods
"""

RETURN = r"""
survey:
  description: What there is, for the pages of M(aula.historia_clinica.status_page) and M(aula.historia_clinica.diagnosis_page).
  returned: always
  type: dict
  contains:
    error:
      description: Why the cluster cannot be asked; empty where it can.
      type: str
    pods:
      description: C(name), C(state), C(ready), C(restarts), C(seconds) of each; C(cpu) (CPUs) and C(memory_bytes) where metrics are.
      type: list
      elements: dict
    objects:
      description: C(kind), C(name) and what it C(says), with O(details).
      type: list
      elements: dict
    troubles:
      description: Why each pod that is not ready is not, and what helps, with O(details).
      type: list
      elements: str
    events:
      description: The last events, with O(details).
      type: list
      elements: str
    logs:
      description: The last lines of each pod's log by its name, with O(details).
      type: dict
"""

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
            "details": {"type": "bool", "default": False},
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
        survey = Cluster(wanted["kubeconfig"], wanted["context"], wanted["namespace"]).survey(wanted["details"])
    except ClusterError as error:
        survey = {"error": str(error), "pods": []}
    module.exit_json(changed=False, survey=survey)


if __name__ == "__main__":
    main()
