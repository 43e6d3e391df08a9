# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a student is handed out: how to reach the lab, as a page and as files that programs read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

LANGUAGES = ("es", "en")
#: What the page is called, by language.
PAGES = {"es": "LEAME.md", "en": "README.md"}
#: Files that only the student reads.
SERVICES, PASSWORDS, API, KEY, KUBECONFIG = "pg_service.conf", "pgpass", "api.json", "id_ed25519", "kubeconfig"

PAGE = {
    "es": """\
# Laboratorio {lab}

{name}: este es su laboratorio de bases de datos distribuidas. Solo responde en el servidor;
para usarlo desde su equipo, abra un túnel en esta carpeta y déjelo abierto:

    chmod 600 {private}
    {tunnel}

Después, en otra terminal y en la misma carpeta:

    PGSERVICEFILE=pg_service.conf psql service=lab
    curl http://127.0.0.1:{api_port}/status

- Base de datos: 127.0.0.1:{database_port}, `historia_clinica`, usuario `{login}`; la contraseña está en `pgpass`, tras los últimos dos puntos.
- API: <http://127.0.0.1:{api_port}/api/v1/docs>; el documento y la clave están en `api.json`:

      curl -H 'Content-Type: application/json' -d @api.json http://127.0.0.1:{api_port}/api/v1/sesiones

{account}{cluster}Estos archivos abren su laboratorio: no los comparta.
""",
    "en": """\
# Lab {lab}

{name}: this is your lab for distributed databases. It answers on the server alone;
to use it from your machine, open a tunnel in this folder and leave it open:

    chmod 600 {private}
    {tunnel}

Then, in another terminal and in the same folder:

    PGSERVICEFILE=pg_service.conf psql service=lab
    curl http://127.0.0.1:{api_port}/status

- Database: 127.0.0.1:{database_port}, `historia_clinica`, user `{login}`; the password is in `pgpass`, behind the last colon.
- API: <http://127.0.0.1:{api_port}/api/v1/docs>; document and password are in `api.json`:

      curl -H 'Content-Type: application/json' -d @api.json http://127.0.0.1:{api_port}/api/v1/sesiones

{account}{cluster}These files open your lab: keep them to yourself.
""",
}

#: What a page says of an account that the labs' teacher has made.
ACCOUNT = {
    "es": """\
En el servidor tiene una cuenta, y allí la orden `aula`: sin nada más, muestra todo lo que se puede hacer con ella.

    {ssh}
    aula exercises
    aula psql

""",
    "en": """\
You have an account on the server, and there the command `aula`: alone, it shows all that can be done with it.

    {ssh}
    aula exercises
    aula psql

""",
}

#: What it says of a lab in a cluster.
CLUSTER = {
    "es": """\
Su laboratorio está en un clúster de Kubernetes, en el namespace `{namespace}`. El archivo `kubeconfig` lo abre hasta el {until}:

    kubectl --kubeconfig kubeconfig get pods
    kubectl --kubeconfig kubeconfig auth can-i --list

{reached}
""",
    "en": """\
Your lab is in a Kubernetes cluster, in the namespace `{namespace}`. The file `kubeconfig` opens it until {until}:

    kubectl --kubeconfig kubeconfig get pods
    kubectl --kubeconfig kubeconfig auth can-i --list

{reached}
""",
}

#: How the lab is reached from elsewhere, where the cluster answers there, too.
FAR = {
    "es": """\
Con él se llega también sin el túnel, con estas dos órdenes, cada una en una terminal que queda abierta:

    kubectl --kubeconfig kubeconfig port-forward service/citus-coordinator {database_port}:5432
    kubectl --kubeconfig kubeconfig port-forward service/middleware-service {api_port}:8080
""",
    "en": """\
With it you also get there without the tunnel, by these two commands, each in a terminal that stays open:

    kubectl --kubeconfig kubeconfig port-forward service/citus-coordinator {database_port}:5432
    kubectl --kubeconfig kubeconfig port-forward service/middleware-service {api_port}:8080
""",
}

#: How the cluster is, where it answers on the server alone.
NEAR = {
    "es": """\
El clúster, <{address}>, solo responde en `{server}`. Desde su equipo, añada `-L {port}:{there}` al túnel, y a cada `kubectl` dos opciones:

    kubectl --kubeconfig kubeconfig --server https://127.0.0.1:{port} --tls-server-name {host} get pods
""",
    "en": """\
The cluster, <{address}>, answers on `{server}` alone. From your machine, add `-L {port}:{there}` to the tunnel, and to each `kubectl` two options:

    kubectl --kubeconfig kubeconfig --server https://127.0.0.1:{port} --tls-server-name {host} get pods
""",
}


@dataclass(frozen=True)
class Cluster:
    """The cluster that a lab is in.

    Attributes:
        kubeconfig: what opens the lab's namespace, and nothing else; empty in a check, where there is none yet.
        namespace: the lab's.
        until: when it ends.
        address: of the cluster's API.
        near: whether that address answers on the server alone.
    """

    kubeconfig: str
    namespace: str
    until: str
    address: str
    near: bool

    def page(self, language: str, **places: object) -> str:
        """What the handout's page says of it.

        Args:
            language: of the page.
            places: the handout's server and ports.
        """
        address = urlsplit(self.address)
        port = address.port or 443
        where = {"address": self.address, "host": address.hostname, "port": port, "there": f"{address.hostname}:{port}"}
        reached = (NEAR if self.near else FAR)[language].format(**where, **places)
        return CLUSTER[language].format(namespace=self.namespace, until=self.until, reached=reached)


@dataclass(frozen=True)
class Handout:
    """What a student needs.

    Attributes:
        lab: the lab's name.
        name: the student's.
        server: the machine that one logs in to by SSH.
        account: as whom; empty where the list does not say.
        database_port: the database's port there, and here.
        api_port: the API's.
        login: who the student is in the database.
        password: the password of that login.
        document: who the student is in the API.
        api_password: the password there.
        key: the private key of the account; empty where the student has a way in already.
        cluster: what the lab is in; None on a host.
    """

    lab: str
    name: str
    server: str
    account: str
    database_port: int
    api_port: int
    login: str
    password: str
    document: str
    api_password: str
    key: str = ""
    cluster: Cluster | None = None

    def files(self, language: str) -> dict[str, str]:
        """Each file's text, by name."""
        account = self.account or {"es": "CUENTA", "en": "ACCOUNT"}[language]
        ports = " ".join(f"-L {port}:127.0.0.1:{port}" for port in (self.database_port, self.api_port))
        ssh = f"ssh -i {KEY}" if self.key else "ssh"
        more = {
            **({KEY: self.key} if self.key else {}),
            **({KUBECONFIG: self.cluster.kubeconfig} if self.cluster else {}),
        }
        places = {"server": self.server, "database_port": self.database_port, "api_port": self.api_port}
        page = PAGE[language].format(
            lab=self.lab,
            name=self.name or self.lab,
            tunnel=f"{ssh} -N {ports} {account}@{self.server}",
            private=" ".join([PASSWORDS, *more]),
            account=ACCOUNT[language].format(ssh=f"{ssh} {account}@{self.server}") if self.key else "",
            cluster=self.cluster.page(language, **places) if self.cluster else "",
            **places,
            login=self.login,
        )
        service = {
            "host": "127.0.0.1",
            "port": self.database_port,
            "dbname": "historia_clinica",
            "user": self.login,
            "passfile": PASSWORDS,
        }
        api = {"documento_id": self.document, "clave": self.api_password}
        return {
            PAGES[language]: page,
            SERVICES: "[lab]\n" + "".join(f"{name}={value}\n" for name, value in service.items()),
            PASSWORDS: f"127.0.0.1:{self.database_port}:historia_clinica:{self.login}:{self.password}\n",
            API: json.dumps(api, ensure_ascii=False, indent=1) + "\n",
            **more,
        }
