"""Where the pods of a lab may ask for names, on clusters of several kinds.

What is read here is what is applied; that a network enforces it shows only in a cluster whose network does.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

TEMPLATE = Path(__file__).parents[2] / "roles/workspace/templates/networkpolicies.yaml.j2"


def policies() -> dict[str, dict[str, Any]]:
    """The policies as they are applied, by name."""
    # A pod's manifest is no page: there is nothing to escape.
    text = jinja2.Environment(autoescape=False).from_string(TEMPLATE.read_text(encoding="utf-8"))  # noqa: S701
    rendered = text.render(workspace_lab={"namespace": "hc-lab"})
    return {policy["metadata"]["name"]: policy for policy in yaml.safe_load_all(rendered) if policy}


def lets_out(policy: dict[str, Any], peer: str, port: int, protocol: str) -> bool:
    """Whether a policy lets a pod of the lab out to the pods of a namespace, or to an address."""

    def is_meant(to: dict[str, Any]) -> bool:
        if "ipBlock" in to:
            return peer[0].isdigit() and ip_address(peer) in ip_network(to["ipBlock"]["cidr"])
        labels = to.get("namespaceSelector", {}).get("matchLabels", {})
        return bool(labels.get("kubernetes.io/metadata.name") == peer)

    return any(
        any(map(is_meant, rule["to"])) and {"port": port, "protocol": protocol} in rule["ports"]
        for rule in policy["spec"]["egress"]
    )


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
@pytest.mark.parametrize(
    ("peer", "port", "open_"),
    [
        ("kube-system", 53, True),
        ("openshift-dns", 5353, True),
        ("169.254.20.10", 53, True),  # NodeLocal DNSCache: on the node's own network, so in no namespace
        ("169.254.25.10", 53, True),  # the same as Kubespray installs it
        ("kube-system", 5353, False),
        ("default", 53, False),
        ("169.254.169.254", 53, False),  # a cloud's metadata, which has the node's credentials
        ("169.254.20.10", 80, False),
    ],
)
def test_pods_may_ask_for_names_and_no_more(peer: str, port: int, open_: bool, protocol: str) -> None:
    """Every kind of DNS that a cluster has, and nobody else at its ports."""
    names = policies()["names"]
    assert names["spec"]["podSelector"] == {}
    assert lets_out(names, peer, port, protocol) == open_


def test_no_other_policy_lets_out_to_an_address_or_another_namespace() -> None:
    """Nodes and clients reach pods of the lab alone."""
    others = {name: policy for name, policy in policies().items() if name != "names"}
    assert "from-nodes" in others
    peers = [to for policy in others.values() for rule in policy["spec"].get("egress", []) for to in rule["to"]]
    assert peers
    assert {tuple(to) for to in peers} == {("podSelector",)}
