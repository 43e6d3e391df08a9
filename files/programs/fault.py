# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""A program that breaks one node of a lab for a while, and puts it right whatever becomes of who asked for it.

`make chaos` starts it as the lab's user, with the runtime's Python (packages psutil, psycopg, supervisor, kubernetes). It goes on by itself:
at the end of the time, or when it is told to end, it undoes what it did. Where it is killed too, `undo` does (`make start`,
`make lab`, the next `make chaos`). A lock says that one is under way, a file beside it what it did.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import psutil
import psycopg
from supervisor.xmlrpc import SupervisorTransport

#: What stays free of a disk that is filled: so many bytes, and such a share. No more than that is taken.
KEEP_BYTES = 1 << 30
KEEP_SHARE = 0.1
#: Of a pod's volume, which may lie on the disk of its node: with a tenth left, or of images 15 %, a kubelet begins to end pods.
KEEP_SHARE_OF_A_NODE = 0.2
MOST_BYTES = 10 << 30
#: Seconds that a server is given to come back after it was told to.
BACK_SECONDS = 60
MIDDLEWARE = "middleware"
BUSY = 3


class FaultError(Exception):
    """It cannot be done, or not be undone; the message says why."""


class Lab:
    """A lab's directory, as this program finds things in it."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.state = self.directory / "run" / "fault.json"
        self.lock = self.directory / "run" / "fault.lock"


class Nodes(Protocol):
    """The nodes of a lab, and how they are broken."""

    def look(self, fault: str, node: str) -> None:
        """See that a node runs and can be broken in this way.

        Raises:
            FaultError: it cannot; nothing is broken.
        """

    def break_(self, fault: str, node: str) -> None:
        """Break a node.

        Raises:
            FaultError: that cannot be done; nothing is broken.
        """

    def mend(self, fault: str, node: str) -> None:
        """Put a node right; done twice, it does nothing the second time.

        Raises:
            FaultError: it does not come back.
        """


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that it started."""
    return [process, *process.children(recursive=True)]


def signal_all(processes: list[psutil.Process], number: int) -> None:
    """Send a signal to those that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def ballast_bytes(total: int, free: int, share: float = KEEP_SHARE) -> int:
    """How much of a disk is taken: all but a bound (a share of it at least) that leaves the machine alive, and never more than MOST_BYTES.

    Raises:
        FaultError: less than the bound is free already.
    """
    keep = max(KEEP_BYTES, int(total * share))
    if free <= keep:
        raise FaultError(
            f"the disk has {free >> 20} MiB free, and {keep >> 20} MiB of it have to stay: nothing is left to fill"
        )
    return min(free - keep, MOST_BYTES)


class Processes:
    """The nodes of a lab whose servers are processes of this machine."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self.ballast = directory / "data" / ".ballast"

    def look(self, fault: str, node: str) -> None:
        """See that a node runs."""
        self._process(node)
        if fault == "fill":
            self._ballast_bytes()

    def break_(self, fault: str, node: str) -> None:
        """Break a node."""
        if fault == "kill":
            self._process(node).kill()
        elif fault == "freeze":
            process = self._process(node)
            process.suspend()  # first: it starts nothing any more
            signal_all(family(process)[1:], signal.SIGSTOP)
        elif fault == "cut" and node == MIDDLEWARE:
            self._supervisor.stopProcess(node)
        elif fault == "cut":
            self._ask("ALTER SYSTEM SET listen_addresses = ''")
            self._restart(node)
        else:
            with self.ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._ballast_bytes())

    def mend(self, fault: str, node: str) -> None:
        """Put a node right."""
        if fault == "freeze":
            with contextlib.suppress(FaultError):  # it has ended since
                process = self._process(node)
                signal_all([*family(process)[1:], process], signal.SIGCONT)
        elif fault == "cut" and node == MIDDLEWARE:
            with contextlib.suppress(OSError, xmlrpc.client.Fault):  # it runs already, or nothing of the lab does
                self._supervisor.startProcess(node, False)
        elif fault == "cut":
            running = True
            try:
                self._process(node)
            except FaultError:
                running = False
            if running:
                self._ask("ALTER SYSTEM RESET listen_addresses", BACK_SECONDS)
                self._restart(node)
            else:  # nobody else writes that file
                file = self.directory / "data" / node / "postgresql.auto.conf"
                lines = [line for line in file.read_text().splitlines(True) if not line.startswith("listen_addresses")]
                file.write_text("".join(lines))
        elif fault == "fill":
            self.ballast.unlink(missing_ok=True)

    def _ballast_bytes(self) -> int:
        disk = shutil.disk_usage(self.directory)
        return ballast_bytes(disk.total, disk.free)

    @property
    def _supervisor(self) -> Any:
        """Supervisord's calls."""
        transport = SupervisorTransport(None, None, f"unix://{self.directory}/run/supervisor.sock")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def _process(self, node: str) -> psutil.Process:
        """The process of a node's server, or of the service.

        Raises:
            FaultError: it does not run.
        """
        with contextlib.suppress(OSError, xmlrpc.client.Error, psutil.Error):
            pid = self._supervisor.getProcessInfo(node)["pid"]
            if pid:
                top = psutil.Process(pid)
                if node == MIDDLEWARE:
                    return top
                data = str(self.directory / "data" / node)
                for child in top.children():
                    if data in child.cmdline():
                        return child
        raise FaultError(f"{node} does not run: start the lab first")

    def _restart(self, node: str) -> None:
        """Stop a program in good order, and start it."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._supervisor.stopProcess(node)
        self._supervisor.startProcess(node, False)

    def _ask(self, statement: str, seconds: float = 0) -> None:
        """Have a server run a statement, over its socket.

        Raises:
            FaultError: it does not answer within so many seconds.
        """
        limit = time.monotonic() + seconds
        while True:
            try:
                with psycopg.connect(
                    host=str(self.directory / "run"),
                    port=self.port,
                    user="admin",
                    dbname="postgres",
                    passfile=str(self.directory / "credentials" / "admin.pgpass"),
                    connect_timeout=5,
                    autocommit=True,
                ) as connection:
                    connection.execute(statement.encode())
                    return
            except psycopg.OperationalError as error:
                if time.monotonic() > limit:
                    raise FaultError(
                        f"the server at the port {self.port} does not answer over its socket: {error}"
                    ) from error
            time.sleep(0.1)  # a server does not tell when it answers again


class Pods:
    """The nodes of a lab in pods, broken as somebody may who has rights in its namespace alone."""

    #: In a server's pod: how much room its volume has, where a file takes it, and who has come over the network.
    VOLUME = "/var/lib/postgresql"
    BALLAST = f"{VOLUME}/.ballast"
    SESSIONS = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE client_addr IS NOT NULL AND pid <> pg_backend_pid()"

    def __init__(self, kubeconfig: str, context: str, namespace: str) -> None:
        import kubernetes.stream  # only here: it takes its second to load

        self._kubernetes = kubernetes
        configuration = kubernetes.client.Configuration()
        configuration.no_proxy = os.environ.get("no_proxy")  # the library reads HTTPS_PROXY and forgets this one
        try:
            self._client = kubernetes.config.new_client_from_config(
                kubeconfig or None, context or None, client_configuration=configuration
            )
        except (kubernetes.config.ConfigException, OSError) as error:
            raise FaultError(f"the cluster cannot be used: {error}") from error
        self._api = kubernetes.client.CoreV1Api(self._client)
        self._namespace = namespace

    def look(self, fault: str, node: str) -> None:
        """See that a node runs, and that whoever asks may do this to it: what can be tried without doing it is tried."""
        pods = self._pods(node)
        if not pods or not all(self._ready(pod) for pod in pods):
            raise FaultError(f"{node} does not run: start the lab first")
        if fault in ("kill", "freeze") and not all(pod.spec.share_process_namespace for pod in pods):
            raise FaultError("this lab was made by an older version, which cannot: make the lab again first")
        for pod in pods:
            if fault in ("kill", "freeze"):
                self._run(pod, "kill -0 -1")
            if fault == "kill":
                self._delete(pod, dry_run="All")
            if fault == "fill":
                self._ballast_bytes(pod)
        if fault == "cut":
            self._select(node, cut=True, dry_run="All")

    def break_(self, fault: str, node: str) -> None:
        """Break a node."""
        if fault == "cut":
            self._select(node, cut=True)
            if node != MIDDLEWARE:
                self._end_sessions(node)
            return
        for pod in self._pods(node):
            if fault == "kill":
                with contextlib.suppress(FaultError):  # the shell that kills is ended with the container
                    self._run(pod, "kill -KILL -1")
                self._delete(pod)
            elif fault == "freeze":
                self._run(pod, "kill -STOP -1")
            else:
                self._run(pod, f"fallocate -l {self._ballast_bytes(pod)} {self.BALLAST}")

    def mend(self, fault: str, node: str) -> None:
        """Put a node right."""
        if fault == "cut":
            self._select(node, cut=False)
        elif fault == "freeze":  # where there is no pod any more, nothing is frozen
            self._patiently(node, "kill -CONT -1")
        elif fault == "fill":
            self._patiently(node, f"rm -f {self.BALLAST}", least=1)

    def _pods(self, node: str) -> list[Any]:
        """The pods of a node: the service has several."""
        selector = f"statefulset.kubernetes.io/pod-name={self._pod_name(node)}"
        if node == MIDDLEWARE:
            selector = "app=middleware"
        found = self._call(self._api.list_namespaced_pod, self._namespace, label_selector=selector).items
        return [pod for pod in found if not pod.metadata.deletion_timestamp]

    @staticmethod
    def _pod_name(node: str) -> str:
        return f"{node}-0" if node == "citus-coordinator" else node

    @staticmethod
    def _ready(pod: Any) -> bool:
        return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or [])

    def _run(self, pod: Any, script: str) -> str:
        """What a shell script prints in a pod.

        Raises:
            FaultError: it is not run, or fails.
        """
        code, printed, said = self._call(self._execute, pod, script)
        if code != 0:
            raise FaultError(f"in the pod {pod.metadata.name}: {said.strip() or f'exit code {code}'}")
        return str(printed)

    def _execute(self, pod: Any, script: str, **options: Any) -> tuple[int | None, str, str]:
        session = self._kubernetes.stream.stream(
            self._api.connect_get_namespaced_pod_exec,
            pod.metadata.name,
            self._namespace,
            container=pod.spec.containers[0].name,
            command=["sh", "-c", script],
            stdin=False,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
            **options,
        )
        session.run_forever(timeout=30)
        return session.returncode, session.read_stdout(timeout=1), session.read_stderr(timeout=1)

    def _delete(self, pod: Any, **options: Any) -> None:
        """Delete a pod and give it no time; the cluster makes another one when it has gone, since both have one volume."""
        self._call(
            self._api.delete_namespaced_pod, pod.metadata.name, self._namespace, grace_period_seconds=1, **options
        )

    def _select(self, node: str, cut: bool, **options: Any) -> None:
        """Have a node's Service lead to its pods, or to none."""
        service = "middleware-service" if node == MIDDLEWARE else node
        label = "app" if node == MIDDLEWARE else "statefulset.kubernetes.io/pod-name"
        wanted = "cut" if cut else MIDDLEWARE if node == MIDDLEWARE else self._pod_name(node)
        body = {"spec": {"selector": {label: wanted}}}
        self._call(self._api.patch_namespaced_service, service, self._namespace, body, **options)

    def _end_sessions(self, node: str) -> None:
        """End what came through a node's Service, now and once the cluster's nodes have heard that it leads nowhere."""
        for pause in (0.2, 0.5, 1, 2):
            for pod in self._pods(node):
                self._run(pod, f'psql -X -q -U admin -d postgres -c "{self.SESSIONS}" >/dev/null')
            time.sleep(pause)  # no node tells when it has heard

    def _ballast_bytes(self, pod: Any) -> int:
        printed = self._run(pod, f"df -B1 --output=size,avail {self.VOLUME} | tail -1")
        total, free = (int(word) for word in printed.split())
        return ballast_bytes(total, free, KEEP_SHARE_OF_A_NODE)

    def _patiently(self, node: str, script: str, least: int = 0) -> None:
        """Run a shell script in the pods of a node, whose containers may just be starting again.

        Raises:
            FaultError: one does not come back, or there are fewer pods than ``least``.
        """
        limit = time.monotonic() + BACK_SECONDS
        while True:
            try:
                pods = self._pods(node)
                for pod in pods:
                    self._run(pod, script)
                if len(pods) >= least:
                    return
                raise FaultError(f"{node} does not run: start the lab first")
            except FaultError:
                if time.monotonic() > limit:
                    raise
            time.sleep(0.5)  # a container does not tell when it takes commands again

    def _call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, _request_timeout=10, **options)
        except self._kubernetes.client.ApiException as error:
            said = str(error.reason)
            with contextlib.suppress(TypeError, ValueError, KeyError):
                said = json.loads(error.body)["message"]
            raise FaultError(
                f"the cluster does not allow it: {said}" if error.status == 403 else f"the cluster: {said}"
            ) from error
        except Exception as error:  # of the libraries below, each with its own, which say that nobody answers
            raise FaultError(f"the cluster does not answer: {error}") from error


def nodes_of(lab: Lab, asked: dict[str, Any]) -> Nodes:
    """The nodes of a lab: pods where a namespace is named (and ``kubeconfig``, ``context``), else processes (``port``: of the node's server)."""
    if asked.get("namespace"):
        return Pods(asked["kubeconfig"], asked["context"], asked["namespace"])
    return Processes(lab.directory, asked["port"])


@contextlib.contextmanager
def alone(lab: Lab, seconds: float = 0) -> Iterator[None]:
    """Hold the lock of whoever breaks something.

    Raises:
        BlockingIOError: somebody else has it, for longer than so many seconds.
    """
    limit = time.monotonic() + seconds
    with lab.lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > limit:
                    raise
            time.sleep(0.05)  # a lock that is waited for has no limit of time
        yield


def undo_left(lab: Lab) -> bool:
    """Undo what one that was killed has left; whether there was something. The lock is held.

    Raises:
        FaultError: that does not go.
    """
    try:
        left = json.loads(lab.state.read_text())
    except (FileNotFoundError, ValueError):
        return False
    nodes_of(lab, left).mend(left["fault"], left["node"])
    lab.state.unlink(missing_ok=True)
    return True


def hold(lab: Lab, asked: dict[str, Any], seconds: float) -> None:
    """Break a node, say so, and undo it after so many seconds or when told to end.

    Raises:
        BlockingIOError: another fault is under way.
        FaultError: that cannot be done, or not be undone.
    """
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: over.set())
    fault, node = asked["fault"], asked["node"]
    with alone(lab):
        undo_left(lab)
        nodes = nodes_of(lab, asked)
        nodes.look(fault, node)
        new = lab.state.with_suffix(".new")
        new.write_text(json.dumps({**asked, "pid": os.getpid()}))
        new.rename(lab.state)
        try:
            at = time.time()
            nodes.break_(fault, node)
            print(json.dumps({"at": at}), flush=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            if fault != "kill":  # there is nothing to undo
                over.wait(seconds)
        finally:
            undo_left(lab)


def end(lab: Lab) -> bool:
    """Undo a fault at once: have the one that is under way do it, or do it where that was killed; whether there was one.

    Raises:
        BlockingIOError: the one that is under way does not end.
        FaultError: that does not go.
    """
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError, BlockingIOError):
        pid = json.loads(lab.state.read_text())["pid"]
        try:
            with alone(lab):
                pass
        except BlockingIOError:  # it lives
            os.kill(pid, signal.SIGTERM)
    with alone(lab, 2 * BACK_SECONDS):
        return undo_left(lab)


def main(arguments: list[str] | None = None) -> int:
    """Run the program: its exit code. What came of it is a line of JSON."""
    parser = argparse.ArgumentParser(prog="fault", description="Break one node of a lab for a while.")
    parser.add_argument("--directory", required=True, help="the lab's directory")
    parser.add_argument("--undo", action="store_true", help="end the fault that is under way")
    parser.add_argument("--look", action="store_true", help="end it, and only see whether this one can be done")
    parser.add_argument("--fault", choices=["kill", "freeze", "cut", "fill"])
    parser.add_argument("--node", help="a node's name, or middleware")
    parser.add_argument("--port", type=int, default=0, help="of the node's server")
    parser.add_argument("--namespace", default="", help="of the lab's pods, where it has pods")
    parser.add_argument("--kubeconfig", default="", help="path of the kubeconfig")
    parser.add_argument("--context", default="", help="name of the context")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args(arguments)
    lab = Lab(options.directory)
    asked = {name: getattr(options, name) for name in ("fault", "node", "port", "namespace", "kubeconfig", "context")}
    try:
        if options.undo:
            print(json.dumps({"undone": end(lab)}))
        elif options.look:
            end(lab)
            nodes_of(lab, asked).look(options.fault, options.node)
            print(json.dumps({"possible": True}))
        else:
            if os.fork():  # it is nobody's child: whoever kills the family of the run that asked for it leaves it alone
                os._exit(0)
            hold(lab, asked, options.seconds)
    except BlockingIOError:
        print(json.dumps({"error": "a fault is under way: one at a time"}))
        return BUSY
    except (FaultError, OSError, psycopg.Error, psutil.Error, xmlrpc.client.Error) as error:
        print(json.dumps({"error": str(error).strip().partition("\n")[0]}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
