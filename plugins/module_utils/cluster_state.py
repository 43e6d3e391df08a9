# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Looks at a Kubernetes cluster for ``preflight``, and changes nothing.

``look`` runs on the host's own Python, which may be an old one without the package kubernetes: nothing newer than 3.8 is
used at run time. It hands the text of this file to the runtime's Python, where ``query_cluster`` asks the cluster.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Seconds for a connection, for an answer, and for all of it: a program that logs in may wait for a person.
CONNECT_SECONDS, ANSWER_SECONDS, ALL_SECONDS = 3, 6, 45
#: The annotation in which a lab writes whose it is.
OWNER = "historia-clinica/owner"
#: What a lab makes in its namespace: group, resource, subresource.
NEEDED = (
    ("", "configmaps", ""),
    ("", "limitranges", ""),
    ("", "resourcequotas", ""),
    ("", "secrets", ""),
    ("", "serviceaccounts", ""),
    ("", "services", ""),
    ("", "pods", "portforward"),
    ("apps", "deployments", ""),
    ("apps", "statefulsets", ""),
    ("batch", "jobs", ""),
    ("networking.k8s.io", "networkpolicies", ""),
)


@dataclass(frozen=True)
class ClusterState:
    """What was seen of a cluster.

    Attributes:
        state: ``seen``; ``unseen``: nobody could look; or what went wrong: ``kubeconfig`` (it cannot be read),
            ``context`` (it is not in there), ``unreachable``, ``unauthorized`` (the credentials are not taken).
        said: the reason, where it is not ``seen``.
        contexts: the contexts that the kubeconfig has.
        version: the cluster's, such as v1.34.4; empty where it is kept secret.
        architectures: of the nodes; empty where they may not be listed.
        namespace: ``absent``, ``Active`` or ``Terminating``; empty where it may not be looked at.
        labels: of the namespace.
        owner: whose lab the namespace is, as that lab has written there; empty where nobody has.
        denied: the rights that are lacking, such as "create namespaces".
        storage_classes: their names; None where they may not be listed.
        default_storage_class: whether one is the default.
    """

    state: str = "unseen"
    said: str = ""
    contexts: tuple[str, ...] = ()
    version: str = ""
    architectures: tuple[str, ...] = ()
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    denied: tuple[str, ...] = ()
    storage_classes: tuple[str, ...] | None = None
    default_storage_class: bool = False


def inspect_cluster(
    python: str, kubeconfig: str, context: str, namespace: str, env: Mapping[str, str], seconds: float = ALL_SECONDS
) -> ClusterState:
    """Ask a cluster through the runtime's Python.

    Args:
        python: the runtime's Python.
        kubeconfig: path of the file.
        context: a name in it.
        namespace: the one that a lab would have.
        env: the environment of a person who asks: programs that log in are found by it.
        seconds: how long all of it may take.
    """
    if not os.access(python, os.X_OK):
        return ClusterState(said="the runtime, whose Python would ask it, is not there yet")
    text = inspect.getsource(sys.modules[__name__])
    try:
        done = subprocess.run(
            [python, "-c", text, kubeconfig, context, namespace],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        return ClusterState(said=f"{python} cannot be run: {error.strerror or error}")
    except subprocess.TimeoutExpired:
        return ClusterState("unreachable", f"no answer within {seconds:g} seconds")
    return parse_cluster_state(done.stdout, done.stderr)


def parse_cluster_state(stdout: str, stderr: str) -> ClusterState:
    """What ``query_cluster`` printed, as a sight; what it did not say is its last words."""
    try:
        answer = json.loads(stdout.splitlines()[-1])
        lists = {name: tuple(value) for name, value in answer.items() if isinstance(value, list)}
        return ClusterState(**{**answer, **lists})
    except (ValueError, IndexError, TypeError, AttributeError):
        words = stderr.strip().splitlines() or ["it says nothing"]
        return ClusterState(said=words[-1][:300])


# --- In the runtime's Python --------------------------------------------------------------------------------------


class _QueryAborted(Exception):  # noqa: N818 (an outcome, not an error)
    """Stop the inspection and return what is known so far."""

    def __init__(self, state: str, said: str, **more: Any) -> None:
        super().__init__(said)
        self.sight = {"state": state, "said": said, **more}


def query_cluster(kubeconfig: str, context: str, namespace: str) -> dict[str, Any]:
    """Ask the cluster: the fields of ``ClusterState``."""
    try:
        api = _Api(kubeconfig, context)
        answer = api.get(f"/api/v1/namespaces/{namespace}")
        seen: dict[str, Any] = {"state": "seen", "namespace": "", "denied": []}
        if answer is not None:
            there = "metadata" in answer
            seen["namespace"] = answer["status"]["phase"] if there else "absent"
            seen["labels"] = (answer["metadata"].get("labels") or {}) if there else {}
            seen["owner"] = (answer["metadata"].get("annotations") or {}).get(OWNER, "") if there else ""
        if seen["namespace"] != "Active" and not api.may("", "namespaces"):
            seen["denied"].append("create namespaces")
        if seen["namespace"] == "Active":
            for group, resource, sub in NEEDED:
                if not api.may(group, resource, sub, namespace):
                    name = ".".join(filter(None, (resource, group))) + (f"/{sub}" if sub else "")
                    seen["denied"].append(f"create {name} in {namespace}")
        seen["version"] = (api.get("/version") or {}).get("gitVersion", "")
        # The first ones of a big cluster are enough.
        nodes = api.get("/api/v1/nodes?limit=100") or {}
        seen["architectures"] = sorted({node["status"]["nodeInfo"]["architecture"] for node in nodes.get("items", [])})
        classes = api.get("/apis/storage.k8s.io/v1/storageclasses")
        if classes is not None:
            metadata = [entry["metadata"] for entry in classes["items"]]
            default = "storageclass.kubernetes.io/is-default-class"
            seen["storage_classes"] = sorted(entry["name"] for entry in metadata)
            seen["default_storage_class"] = any(
                (entry.get("annotations") or {}).get(default) == "true" for entry in metadata
            )
        return seen
    except _QueryAborted as stop:
        return stop.sight


class _Api:
    """A cluster's API, as a kubeconfig and a context say."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        import kubernetes
        import urllib3
        import yaml

        self._kubernetes, self._urllib3 = kubernetes, urllib3
        try:
            with open(kubeconfig, encoding="utf-8") as file:
                names = [str(entry["name"]) for entry in yaml.safe_load(file)["contexts"] or []]
        except OSError as error:
            raise _QueryAborted("kubeconfig", error.strerror or str(error)) from error
        except (ValueError, yaml.YAMLError, KeyError, TypeError) as error:
            said = str(error).splitlines()[0]
            raise _QueryAborted("kubeconfig", f"it is no kubeconfig ({type(error).__name__}: {said})") from error
        if context not in names:
            raise _QueryAborted("context", f"it has no context {context}", contexts=names)
        configuration = kubernetes.client.Configuration()
        try:
            kubernetes.config.load_kube_config(kubeconfig, context, client_configuration=configuration)
        except (kubernetes.config.ConfigException, OSError, ValueError) as error:
            raise _QueryAborted("kubeconfig", f"its context {context}: {error}") from error
        configuration.retries = False
        # The library reads HTTPS_PROXY and forgets this one.
        configuration.no_proxy = os.environ.get("no_proxy")
        self._server = configuration.host
        self._client = kubernetes.client.ApiClient(configuration)

    def get(self, path: str) -> Any:
        """The answer; a Status for what is not there, None for what may not be looked at."""
        return self._call("GET", path)

    def may(self, group: str, resource: str, sub: str = "", namespace: str = "") -> bool:
        """Return whether the user may create the resource; True if the cluster does not answer the review."""
        attributes = {
            "verb": "create",
            "group": group,
            "resource": resource,
            "subresource": sub,
            "namespace": namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return bool((answer or {}).get("status", {}).get("allowed", True))

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            response = self._client.call_api(
                path,
                method,
                header_params={"Accept": "application/json", "Content-Type": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            )
            return json.loads(response.data)
        except self._kubernetes.client.ApiException as error:
            try:
                said = str(json.loads(error.body)["message"])
            except (ValueError, TypeError, KeyError):
                said = str(error.reason)
            # Who shows no credentials that the cluster knows is refused as nobody.
            if error.status == 401 or (error.status == 403 and "system:anonymous" in said):
                raise _QueryAborted("unauthorized", f"{self._server}: {said}") from error
            if error.status == 403:
                return None
            if error.status == 404:
                return {"items": []}
            raise _QueryAborted("unreachable", f"{self._server}: HTTP {error.status}, {said}") from error
        except (self._urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _QueryAborted("unreachable", f"{self._server}: {' '.join(str(error).split())[:300]}") from error


if __name__ == "__main__":
    print(json.dumps(query_cluster(*sys.argv[1:4])))
