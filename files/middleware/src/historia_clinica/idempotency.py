"""Creation that can be repeated: what `Idempotency-Key` was answered with is answered again.

A key belongs to a person, a method and an address: what others send under the same value is another one.

The key lies in the patient's shard, beside the row that it made, and both are written by one transaction: there is no
moment at which one is there without the other, on either engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256

from flask import g, request

from historia_clinica import audit
from historia_clinica.errors import FieldError, TakenError
from historia_clinica.schemas import CLAVE_IDEMPOTENTE
from historia_clinica.sql import statement
from historia_clinica.transactions import Transaction, in_transaction

Created = tuple[str, str]  # what was created: its address and its JSON


class _RaceError(Exception):
    """Another request with the same key ended between our look and our write."""


def create(cedula: str, what: str, work: Callable[[Transaction], Created], *, single: bool = False) -> Created:
    """Create something of a patient by `work`, once for each key, in the transaction that also keeps the key.

    What it is says the row that is left where it is shown again. A `single` one writes nothing but that and its row: it needs no
    transaction without a key. Raises FieldError where the key has no key's form or was used for another request, TakenError where
    it is there already, and not by this key.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return in_transaction(work, single=single)()
    if not re.match(CLAVE_IDEMPOTENTE, key):
        raise FieldError("Idempotency-Key", "tiene que tener de 1 a 100 caracteres visibles de ASCII.")
    try:
        return _once(cedula, what, key, work)
    except (_RaceError, TakenError):  # by the same key, perhaps: then it is there now
        return _once(cedula, what, key, work)


@in_transaction
def _once(
    transaction: Transaction, cedula: str, what: str, key: str, work: Callable[[Transaction], Created]
) -> Created:
    person = g.get("person")
    own = f"{person.documento_id if person else '-'} {request.method} {request.path} {key}"
    mark = sha256(request.get_data()).hexdigest()
    parameters = {"cedula": cedula, "clave": own}
    for known in transaction.fetch(statement("solicitud"), parameters):
        if known["huella"] != mark:
            raise FieldError("Idempotency-Key", "ese valor ya se usó con otra solicitud.")
        audit.read_one(transaction, cedula, what)
        return known["ubicacion"], known["cuerpo"]
    location, body = work(transaction)
    values = {**parameters, "huella": mark, "ubicacion": location, "cuerpo": body}
    if transaction.execute(statement("solicitud_insert"), values) == 0:
        raise _RaceError
    return location, body
