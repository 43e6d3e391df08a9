"""The file that has a profile's context."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.kubeconfig import (
    has_current_context,
    knows_context,
    kubeconfig_path,
)

KUBECONFIG = """\
apiVersion: v1
contexts:
- context:
    cluster: hc
  name: hc
- name: "quoted"
current-context: hc
"""


def test_kubeconfig_is_where_minikube_writes_it() -> None:
    """The first file of KUBECONFIG."""
    assert kubeconfig_path({"HOME": "/home/ana"}) == Path("/home/ana/.kube/config")
    assert kubeconfig_path({"HOME": "/home/ana", "KUBECONFIG": ":/a/b:/c"}) == Path("/a/b")


def test_kubeconfig_is_searched_by_whole_names() -> None:
    """Without a library for YAML, which the host's own Python may lack."""
    assert knows_context(KUBECONFIG, "hc")
    assert knows_context(KUBECONFIG, "quoted")
    assert not knows_context(KUBECONFIG, "h")
    assert not knows_context("", "hc")
    assert has_current_context(KUBECONFIG)
    assert not has_current_context('contexts: []\ncurrent-context: ""\n')
    assert not has_current_context("")
