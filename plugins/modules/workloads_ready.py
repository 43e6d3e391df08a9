#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Wait until pods serve, or say why they do not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workloads_ready
short_description: Wait until pods serve, or say why they do not
description:
  - Waits until every StatefulSet or Deployment with a label has all its pods, up to date and ready.
  - Ends early where waiting is in vain (an image that does not exist, a program that keeps ending), and then shows each pod
    that is not ready, its state, the likely cause, what to do, its events and the last lines of its log.
  - A StatefulSet that stays a pod short is touched (an annotation), which wakes its controller where that has forgotten it.
  - Runs with the interpreter of the runtime environment, which has the package kubernetes.
options:
  kinds:
    description: What to wait for.
    type: list
    elements: str
    choices: [StatefulSet, Deployment]
    default: [StatefulSet]
  namespace:
    description: The namespace.
    type: str
    required: true
  selector:
    description: The label that the workloads and their pods have.
    type: str
    required: true
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
    description: Touches nothing.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Wait for the servers
  aula.historia_clinica.workloads_ready:
    namespace: hc-lab
    selector: app.kubernetes.io/component=database
"""

RETURN = r"""
ready:
  description: The names of the workloads.
  returned: success
  type: list
  elements: str
woken:
  description: The StatefulSets that were touched, since they lacked a pod for long.
  returned: success
  type: list
  elements: str
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
            "kinds": {
                "type": "list",
                "elements": "str",
                "choices": ["StatefulSet", "Deployment"],
                "default": ["StatefulSet"],
            },
            "namespace": {"type": "str", "required": True},
            "selector": {"type": "str", "required": True},
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

        def look() -> list[dict[str, object]]:
            found = [one for kind in wanted["kinds"] for one in cluster.items(kind, labelSelector=wanted["selector"])]
            if not found:
                kinds = " or ".join(wanted["kinds"])
                raise ClusterError(
                    f"the namespace {wanted['namespace']} has no {kinds} with the label {wanted['selector']}:"
                    " run the whole of site.yml"
                )
            return found

        found = cluster.wait(look, wanted["selector"], wanted["timeout"], f"pods with {wanted['selector']}")
    except ClusterError as error:
        module.fail_json(msg=str(error))
    ready = [one["metadata"]["name"] for one in found]
    module.exit_json(changed=bool(cluster.woken), ready=ready, woken=cluster.woken)


if __name__ == "__main__":
    main()
