#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Run a Kubernetes Job to its end."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_run
short_description: Run a Kubernetes Job to its end
description:
  - Runs a Job, in the place of an earlier one of the same name (a Job cannot be changed), waits until it has finished and
    returns its log. One that fails is shown with its pods, their states, likely causes, events and last log lines.
  - Always runs it. Whoever calls it decides whether there is something to do.
  - Runs with the interpreter of the runtime environment, which has the package kubernetes.
options:
  definition:
    description: The Job.
    type: dict
    required: true
  timeout:
    description: Seconds to wait.
    type: int
    default: 600
  kubeconfig:
    description: Path of the kubeconfig. The variable E(K8S_AUTH_KUBECONFIG) is taken without it.
    type: path
  context:
    description: Name of the context. The variable E(K8S_AUTH_CONTEXT) is taken without it.
    type: str
attributes:
  check_mode:
    support: full
    description: Says that it would run.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Load the sample data
  aula.historia_clinica.job_run:
    definition: "{{ lookup('ansible.builtin.template', 'job-schema-init-job.yaml.j2') | from_yaml }}"
"""

RETURN = r"""
log:
  description: The last lines of the Job's log.
  returned: success
  type: str
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
            "definition": {"type": "dict", "required": True},
            "timeout": {"type": "int", "default": 600},
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
    log = ""
    if not module.check_mode:
        try:
            cluster = Cluster(wanted["kubeconfig"], wanted["context"], wanted["definition"]["metadata"]["namespace"])
            log = cluster.run_job(wanted["definition"], wanted["timeout"])
        except ClusterError as error:
            module.fail_json(msg=str(error))
    module.exit_json(changed=True, log=log)


if __name__ == "__main__":
    main()
