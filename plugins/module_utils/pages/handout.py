# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a student is handed out: how to reach the lab, as a page and as files that programs read."""

from __future__ import annotations

import json
from dataclasses import dataclass

LANGUAGES = ("es", "en")
#: What the page is called, by language.
PAGES = {"es": "LEAME.md", "en": "README.md"}
#: Files that only the student reads.
SERVICES, PASSWORDS, API, KEY = "pg_service.conf", "pgpass", "api.json", "id_ed25519"

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

{account}Estos archivos abren su laboratorio: no los comparta.
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

{account}These files open your lab: keep them to yourself.
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

    def files(self, language: str) -> dict[str, str]:
        """Each file's text, by name."""
        account = self.account or {"es": "CUENTA", "en": "ACCOUNT"}[language]
        ports = " ".join(f"-L {port}:127.0.0.1:{port}" for port in (self.database_port, self.api_port))
        ssh = f"ssh -i {KEY}" if self.key else "ssh"
        page = PAGE[language].format(
            lab=self.lab,
            name=self.name or self.lab,
            tunnel=f"{ssh} -N {ports} {account}@{self.server}",
            private=f"{PASSWORDS} {KEY}" if self.key else PASSWORDS,
            account=ACCOUNT[language].format(ssh=f"{ssh} {account}@{self.server}") if self.key else "",
            database_port=self.database_port,
            api_port=self.api_port,
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
            **({KEY: self.key} if self.key else {}),
        }
