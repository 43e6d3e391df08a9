# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The cluster's API for the modules that wait for pods. Needs the package kubernetes, which the runtime environment has."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import kubernetes
import kubernetes.stream
import urllib3
import websocket

from ansible_collections.aula.historia_clinica.plugins.module_utils.kubeconfigs import Token, read_token
from ansible_collections.aula.historia_clinica.plugins.module_utils.namespace_rows import object_rows, pod_rows
from ansible_collections.aula.historia_clinica.plugins.module_utils.workloads import (
    CREDENTIALS,
    OBJECTS,
    Trouble,
    changed_by_hand,
    event_lines,
    explain_log,
    failed,
    find_refusals,
    find_troubles,
    lacking_pods,
    mounted_files,
    takes_next_password,
    unfinished,
)

#: Seconds that a pod must report a permanent failure before the wait ends; some failures are transient.
CERTAIN_SECONDS = 5.0
#: Seconds that a StatefulSet may lack a pod before it is touched: some stay a pod short for good, without an event (Kubernetes 1.34), until
#: somebody touches them. One that waits for a pod to end, or is refused one, takes no harm.
ASLEEP_SECONDS = 15.0
KINDS = {
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Event": "/api/v1/namespaces/{}/events",
    "Service": "/api/v1/namespaces/{}/services",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
    "LimitRange": "/api/v1/namespaces/{}/limitranges",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
}
METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods"
#: The pods that know a password, and how one of a server takes the nodes' again, whole: libpq reads its copy alone (statefulset-database.yaml.j2).
KNOWING = "app.kubernetes.io/component in (database, middleware)"
TAKE_PASSWORDS = """
umask 077
cp /etc/historia-clinica/credentials/nodes.pgpass "$PGPASSFILE.new"
mv -f "$PGPASSFILE.new" "$PGPASSFILE"
"""
#: So many events and lines of a log tell what happened last, on a page that is still read.
EVENTS, LOG_LINES = 12, 8


class ClusterError(Exception):
    """The cluster or what runs in it does not do what it should; the message says what helps."""


class Cluster:
    """One namespace of a cluster.

    Attributes:
        namespace: its name.
        named: where it is, for messages.
        woken: the StatefulSets that were touched, since they lacked a pod for long.
    """

    def __init__(self, kubeconfig: str | None, context: str | None, namespace: str) -> None:
        self.namespace = namespace
        self.woken: list[str] = []
        self.named = f"context {context or '(current)'} of {kubeconfig or 'the default kubeconfig'}"
        configuration = kubernetes.client.Configuration()
        # The library reads HTTPS_PROXY and forgets this one.
        configuration.no_proxy = os.environ.get("no_proxy")
        try:
            self.client = kubernetes.config.new_client_from_config(
                kubeconfig or None, context or None, client_configuration=configuration
            )
        except (kubernetes.config.ConfigException, OSError) as error:
            raise ClusterError(f"{self.named} cannot be used: {error}") from error

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Call the API and return its JSON; None for what is not there.

        Raises:
            ClusterError: the API refuses, or does not answer.
        """
        text = self._call(method, path, body, query)
        return None if text is None else json.loads(text)

    def items(self, kind: str, **query: str) -> list[dict[str, Any]]:
        """The objects of a kind."""
        answer = self.call("GET", KINDS[kind].format(self.namespace), **query)
        return [{"kind": kind, **one} for one in answer["items"]]

    def run(self, pod: str, container: str, command: Sequence[str]) -> str:
        """Run a command in a container, and return what it prints.

        Raises:
            ClusterError: the API refuses, the pod does not answer, or the command fails.
        """
        api = kubernetes.client.CoreV1Api(self.client)
        try:
            session = kubernetes.stream.stream(
                api.connect_get_namespaced_pod_exec,
                pod,
                self.namespace,
                container=container,
                command=list(command),
                stdin=False,
                stdout=True,
                stderr=True,
                tty=False,
                _preload_content=False,
                _request_timeout=10,
            )
            session.run_forever(timeout=30)
            printed, said, code = session.read_stdout(timeout=1), session.read_stderr(timeout=1), session.returncode
        except (
            kubernetes.client.ApiException,
            websocket.WebSocketException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as error:
            reason = str(getattr(error, "reason", "") or error).strip()
            raise ClusterError(f"{self.named}: no command is run in the pod {pod}: {reason}") from error
        if code != 0:
            raise ClusterError(f"{self.named}: in the pod {pod}: {said.strip() or f'exit code {code}'}")
        return str(printed)

    def see_rotation(self) -> None:
        """See that every pod can be given other credentials.

        Raises:
            ClusterError: one cannot, with the reason; nothing was changed.
        """
        workloads = [one for kind in ("StatefulSet", "Deployment") for one in self.items(kind, labelSelector=KNOWING)]
        waiting = [text for text in map(unfinished, workloads) if text]
        stopped = [one["metadata"]["name"] for one in workloads if one["spec"].get("replicas") == 0]
        if waiting or stopped or not workloads:
            reason = "; ".join(waiting) or f"no pods of {', '.join(stopped) or 'this lab'}"
            raise ClusterError(
                f"not every pod serves ({reason}). Every one has to learn the new passwords: start the lab first."
            )
        if not all(takes_next_password(one) for one in workloads):
            raise ClusterError("this lab was made by an older version, which cannot: make the lab again first")
        for pod in self._knowing_pods():
            self._lacks(pod, {})

    def give_credentials(self, seconds: float) -> None:
        """Wait until every pod has the Secret as it is now, and let the servers take the nodes' passwords from it.

        A node's kubelet brings a Secret to its pods when it comes by, once a minute or so; a change of the pod itself makes it come at once.

        Raises:
            ClusterError: it does not come.
        """
        secret = self.call("GET", f"{KINDS['Secret'].format(self.namespace)}/{CREDENTIALS}")
        if secret is None:
            raise ClusterError(f"the Secret {CREDENTIALS} is not there: run the whole of site.yml")
        version = secret["metadata"]["resourceVersion"]
        wanted = {key: hashlib.sha256(base64.b64decode(text)).hexdigest() for key, text in secret["data"].items()}
        limit = time.monotonic() + seconds
        for attempt in count():
            pods = self._knowing_pods()
            lacking = {}
            for pod in pods:
                name = pod["metadata"]["name"]
                try:
                    reason = self._lacks(pod, wanted)
                except ClusterError as error:  # its container is being started again
                    reason = str(error)
                if reason:
                    lacking[name] = reason
                    # Who may not change pods waits for the kubelet to come by. It may have come before it heard of the Secret: again, then.
                    with contextlib.suppress(ClusterError):
                        self.annotate(name, {"historia-clinica/credentials": f"{version}-{attempt}"})
            if pods and not lacking:
                break
            if time.monotonic() > limit:
                said = "; ".join(f"{name}: {reason}" for name, reason in lacking.items()) or "there is no pod"
                raise ClusterError(
                    f"not every pod has the new credentials after {seconds:.0f} s ({said}). Run this again: it goes on from here."
                )
            time.sleep(1)  # the kubelet tells nobody when it has been there
        for pod in pods:
            if pod["metadata"]["labels"].get("app.kubernetes.io/component") == "database":
                self.run(pod["metadata"]["name"], pod["spec"]["containers"][0]["name"], ["sh", "-ec", TAKE_PASSWORDS])

    def annotate(self, pod: str, annotations: dict[str, str]) -> None:
        """Give a pod annotations.

        Raises:
            ClusterError: the API refuses, or does not answer.
        """
        self.call("PATCH", f"{KINDS['Pod'].format(self.namespace)}/{pod}", {"metadata": {"annotations": annotations}})

    def _knowing_pods(self) -> list[dict[str, Any]]:
        found = self.items("Pod", labelSelector=KNOWING)
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def _lacks(self, pod: dict[str, Any], wanted: dict[str, str]) -> str:
        """What a pod has not of a Secret whose texts have these digests; empty where it has all that it mounts of it.

        Raises:
            ClusterError: the pod lets nobody look.
        """
        container = pod["spec"]["containers"][0]["name"]
        files = mounted_files(pod)
        if (pod.get("status") or {}).get("phase") != "Running":
            return "it does not run yet"
        printed = self.run(pod["metadata"]["name"], container, ["sha256sum", *files])
        found = {path: digest for digest, path in (line.split() for line in printed.splitlines())}
        old = sorted(key for path, key in files.items() if key in wanted and found.get(path) != wanted[key])
        return f"its {', '.join(old)} is the old one" if old else ""

    def log(self, pod: str, container: str, previous: bool = False) -> str:
        """The last lines of a container's log; empty where there is none."""
        query = {"container": container, "tailLines": "40", "previous": str(previous).lower()}
        try:
            return self._call("GET", f"{KINDS['Pod'].format(self.namespace)}/{pod}/log", None, query) or ""
        except ClusterError:  # it has no log yet
            return ""

    def wait(
        self, look: Callable[[], list[dict[str, Any]]], selector: str, seconds: float, doing: str
    ) -> list[dict[str, Any]]:
        """Wait until workloads have what they want.

        Args:
            look: gives the workloads as they are now.
            selector: the label that their pods have.
            seconds: how long to wait.
            doing: what is waited for, for the message.

        Raises:
            ClusterError: in vain; with every pod that is not ready, its state, likely cause, events and last log lines.
        """
        start = time.monotonic()
        since: dict[str, float] = {}
        next_look_at_pods = start + 1
        lacking: dict[str, float] = {}
        while True:
            workloads = look()
            waiting = [text for text in map(unfinished, workloads) if text]
            if not waiting:
                return workloads
            now = time.monotonic()
            certain = False
            if now >= next_look_at_pods:
                next_look_at_pods = now + 1
                hopeless = {
                    t.pod
                    for t in find_troubles(self.items("Pod", labelSelector=selector), self.items("Event"))
                    if t.hopeless
                }
                since = {pod: since.get(pod, now) for pod in hopeless}
                certain = any(now - first >= CERTAIN_SECONDS for first in since.values())
                short = {str(each["metadata"]["name"]) for each in workloads if lacking_pods(each)}
                lacking = {name: lacking.get(name, now) for name in short}
                for name in [name for name, first in lacking.items() if now - first >= ASLEEP_SECONDS]:
                    lacking.pop(name)
                    self.wake(name)
            if certain or now - start > seconds:
                raise ClusterError(
                    f"{doing}: waited {now - start:.0f} s in vain. {'; '.join(waiting)}.\n{self.explain(workloads, selector)}"
                )
            time.sleep(0.2)

    def wake(self, statefulset: str) -> None:
        """Touch a StatefulSet, so that its controller looks at it again.

        Raises:
            ClusterError: the API refuses, or does not answer.
        """
        self.woken.append(statefulset)
        annotations = {"historia-clinica/woken": datetime.now(UTC).isoformat(timespec="seconds")}
        path = f"{KINDS['StatefulSet'].format(self.namespace)}/{statefulset}"
        self.call("PATCH", path, {"metadata": {"annotations": annotations}})

    def explain(self, workloads: list[dict[str, Any]], selector: str) -> str:
        """Why workloads are not ready, for a person."""
        events = self.items("Event")
        pods = self.items("Pod", labelSelector=selector)
        if workloads[0]["kind"] == "Job":  # its pods failed one after the other, and for the same reason
            pods = sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))[-1:]
        pages = [f"The cluster refused to make a pod: {text}" for text in find_refusals(workloads, events)]
        for trouble in find_troubles(pods, events):
            if trouble.container:
                explain_log(trouble, self._last_log(trouble))
            pages.append(trouble.page())
        pages.append(f"Look further: kubectl --context {self._context} -n {self.namespace} describe pods -l {selector}")
        return "\n".join(pages)

    def run_job(self, definition: dict[str, Any], seconds: float) -> str:
        """Run a Job, in the place of an earlier one of its name, and return its pod's log.

        Raises:
            ClusterError: it failed, or takes too long; with the reason.
        """
        jobs = KINDS["Job"].format(self.namespace)
        name = definition["metadata"]["name"]
        selector = f"batch.kubernetes.io/job-name={name}"
        limit = time.monotonic() + seconds
        self.call("DELETE", f"{jobs}/{name}", {"propagationPolicy": "Background"})
        while self.call("GET", f"{jobs}/{name}") is not None or self.items("Pod", labelSelector=selector):
            if time.monotonic() > limit:
                raise ClusterError(
                    f"the earlier Job {name} does not go away: kubectl -n {self.namespace} delete job {name}"
                )
            time.sleep(0.2)
        self.call("POST", jobs, definition)

        def look() -> list[dict[str, Any]]:
            found = self.call("GET", f"{jobs}/{name}")
            if found is None:
                raise ClusterError(f"the Job {name} was deleted while it ran; run this again")
            return [found]

        [job] = self.wait(look, selector, seconds, f"Job {name}")
        reason = failed(job)
        if reason:
            raise ClusterError(f"the Job {name} failed: {reason}\n{self.explain([job], selector)}")
        containers = definition["spec"]["template"]["spec"]["containers"]
        succeeded = [
            pod["metadata"]["name"]
            for pod in self.items("Pod", labelSelector=selector)
            if pod["status"]["phase"] == "Succeeded"
        ]
        return self.log(succeeded[-1], containers[0]["name"]) if succeeded else ""

    def reached(self) -> dict[str, Any]:
        """How the cluster is reached, as a kubeconfig has it; of who asks, nothing.

        Raises:
            OSError: the file of its certificate cannot be read.
        """
        configuration = self.client.configuration
        found: dict[str, Any] = {"server": configuration.host}
        if configuration.tls_server_name:
            found["tls-server-name"] = configuration.tls_server_name
        if not configuration.verify_ssl:
            found["insecure-skip-tls-verify"] = True
        elif configuration.ssl_ca_cert:
            with open(configuration.ssl_ca_cert, "rb") as file:
                found["certificate-authority-data"] = base64.b64encode(file.read()).decode()
        return found

    def account_uid(self, account: str) -> str:
        """The uid of a ServiceAccount, of which one that is made anew has another; empty where there is none.

        Raises:
            ClusterError: the API refuses, or does not answer.
        """
        found = self.call("GET", f"{KINDS['ServiceAccount'].format(self.namespace)}/{account}")
        return str(found["metadata"]["uid"]) if found else ""

    def token(self, account: str, seconds: int) -> Token:
        """A new token of a ServiceAccount, for as long as the cluster grants.

        Raises:
            ClusterError: the API refuses, or does not answer.
        """
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        answer = self.call("POST", f"{KINDS['ServiceAccount'].format(self.namespace)}/{account}/token", request)
        token = read_token(answer["status"]["token"]) if answer else None
        if token is None:
            raise ClusterError(
                f"{self.named}: {self.namespace} has no account {account}, or its tokens have no end: run make class"
            )
        return token

    def changed(self, nodes: Sequence[str]) -> list[str]:
        """What somebody deleted, scaled or edited of what a run made for a lab with these nodes.

        Raises:
            ClusterError: the API refuses, or does not answer.
        """
        kinds = dict.fromkeys(kind for kind, _ in OBJECTS)
        return changed_by_hand([thing for kind in kinds for thing in self.items(kind)], nodes)

    def report(self, details: bool) -> dict[str, Any]:
        """What the namespace holds: the pods, or all there is to say of it.

        Raises:
            ClusterError: the API refuses, or does not answer.
        """
        pods = self.items("Pod")
        lacking = [text for text in map(lacking_pods, self.items("StatefulSet")) if text]
        metrics = self.call("GET", METRICS.format(self.namespace)) or {"items": []}
        cluster_report: dict[str, Any] = {
            "error": "",
            "pods": pod_rows(pods, metrics["items"], datetime.now(UTC)),
            "lacking": lacking,
        }
        if details:
            events = self.items("Event")
            kinds = ("StatefulSet", "Deployment", "Job", "Service", "PersistentVolumeClaim")
            objects = [thing for kind in kinds for thing in self.items(kind)]
            troubles = [f"The cluster refused to make a pod: {text}" for text in find_refusals(objects, events)]
            for trouble in find_troubles(pods, events):
                if trouble.container:
                    explain_log(trouble, self._last_log(trouble))
                troubles.append(trouble.page())
            logs = {
                pod["metadata"]["name"]: self.log(pod["metadata"]["name"], pod["spec"]["containers"][0]["name"])
                for pod in pods
            }
            cluster_report |= {
                "objects": object_rows(objects),
                "troubles": troubles,
                "events": event_lines(events, EVENTS),
                "logs": {name: "\n".join(log.splitlines()[-LOG_LINES:]) for name, log in sorted(logs.items())},
            }
        return cluster_report

    @property
    def _context(self) -> str:
        return self.named.split(" ")[1]

    def _last_log(self, trouble: Trouble) -> str:
        # A restarting container has an empty log, so fall back to the previous one's.
        return self.log(trouble.pod, trouble.container) or self.log(trouble.pod, trouble.container, previous=True)

    def _call(self, method: str, path: str, body: Any, query: dict[str, str]) -> str | None:
        try:
            response = self.client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params={
                    "Accept": "application/json",
                    "Content-Type": f"application/{'merge-patch+json' if method == 'PATCH' else 'json'}",
                },
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=10,
            )
        except kubernetes.client.ApiException as error:
            if error.status == 404:
                return None
            try:
                said = json.loads(error.body)["message"]
            except (TypeError, ValueError, KeyError):
                said = str(error.reason)
            raise ClusterError(f"{self.named}: {said}") from error
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"{self.named} does not answer: {error}") from error
        return str(response.data.decode("utf-8", "replace"))
