-- Whoever changes this patient next waits until we are done.
SELECT cedula FROM pacientes WHERE cedula = %(cedula)s FOR UPDATE
