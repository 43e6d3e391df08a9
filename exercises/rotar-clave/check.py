"""The old password is of no use, the role still is."""

import base64
import hashlib
import hmac

from grading import Failed, Lab, check

#: What people make of a password that leaked, and what anybody guesses.
GUESSES = ("{}", "{}1", "{}2", "{}!", "{}.", "{}2026", "integracion", "Integracion2026", "12345678", "password")


def opens(stored: str, password: str) -> bool:
    """Whether a password is the one that a SCRAM verifier was made of."""
    _kind, rest = stored.split("$", 1)
    (rounds, salt), (key, _server) = (part.split(":") for part in rest.split("$"))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    client = hmac.new(salted, b"Client Key", "sha256").digest()
    return base64.b64encode(hashlib.sha256(client).digest()).decode() == key


def role(lab: Lab) -> dict[str, object]:
    """What the server keeps of the role."""
    rows = lab.rows(
        "SELECT rolpassword, rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication AS more,"
        " EXTRACT(epoch FROM rolvaliduntil - now())::float8 / 86400 AS days,"
        " (SELECT count(*) FROM pg_auth_members m WHERE m.member = r.oid) AS groups FROM pg_authid r WHERE rolname = 'integracion'"
    )
    if not rows:
        raise Failed("Ya no hay un rol integracion.", "There is no role integracion any more.")
    return rows[0]


@check(points=5)
def old_is_refused(lab: Lab) -> None:
    """es: La clave de integracion es todavía la que se filtró, o una que cualquiera adivina.

    en: The password of integracion is still the one that leaked, or one that anybody guesses.
    """
    stored = str(role(lab)["rolpassword"] or "")
    if stored and not stored.startswith("SCRAM-SHA-256$"):
        raise Failed("No está guardada con SCRAM.", "It is not kept by SCRAM.")
    if stored == lab.stage["stored"] or any(
        opens(stored, guess.format(lab.stage["leaked"])) for guess in GUESSES if stored
    ):
        raise Failed()


@check(points=2, after=old_is_refused)
def logs_in(lab: Lab) -> None:
    """es: integracion ya no puede entrar: rotar no es cerrar.

    en: integracion cannot log in any more: to rotate is not to lock out.
    """
    found = role(lab)
    if not found["rolcanlogin"]:
        raise Failed("Quedó sin LOGIN.", "It has no LOGIN.")
    if not found["rolpassword"]:
        raise Failed("Quedó sin clave.", "It has no password.")


@check(points=2, after=logs_in)
def expires(lab: Lab) -> None:
    """es: La clave no vence dentro de los próximos 90 días.

    en: The password does not expire within the next 90 days.
    """
    days = role(lab)["days"]
    if not isinstance(days, float) or days == float("inf"):
        raise Failed("No vence nunca.", "It never expires.")
    if not 0 < days <= 90:
        raise Failed(f"Vence en {days:.0f} días.", f"It expires in {days:.0f} days.")


@check(points=1, after=logs_in)
def no_more_rights(lab: Lab) -> None:
    """es: integracion tiene ahora más permisos que antes.

    en: integracion has more rights now than before.
    """
    if role(lab)["more"] or role(lab)["groups"]:
        raise Failed()
