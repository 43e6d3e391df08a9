"""Patients of another hospital, as they are."""

from grading import Failed, Lab, check

#: cédula -> names, birth, sex, city.
PATIENTS = {
    "1999900111": ("Rosa", "Díaz Ruiz", "1985-03-21", "F", "Cali"),
    "TI-1999900112": ("Luis", "Díaz Ruiz", "2014-05-02", "M", "Cali"),
    "1999900114": ("Juan", "Gil", "1960-11-10", "M", "Buga"),
}
#: cédula -> the moment in UTC, the code, the doctor.
CONSULTATIONS = {"1999900111": ("2026-02-05 19:30", "J069", 1), "1999900114": ("2026-02-06 13:05", "I10X", 1)}


@check(points=4)
def patients_there(lab: Lab) -> None:
    """es: Los tres pacientes cuyas filas están bien no están como los describe el archivo.

    en: The three patients whose rows are right are not there as the file describes them.
    """
    for key, wanted in PATIENTS.items():
        rows = lab.rows(
            "SELECT nombre, apellido, fecha_nacimiento::text AS nacimiento, sexo, ciudad FROM public.pacientes WHERE cedula = %s",
            key,
        )
        if not rows:
            raise Failed(f"Falta {key}.", f"{key} is missing.")
        if tuple(rows[0].values()) != wanted:
            found = ", ".join(map(str, rows[0].values()))
            raise Failed(f"{key} quedó como {found}.", f"{key} came in as {found}.")


@check(points=3, after=patients_there)
def consultations_there(lab: Lab) -> None:
    """es: Las consultas no están como en el archivo: una por paciente que la tuvo, con su hora de Colombia, su código y el médico 1.

    en: The consultations are not as in the file: one for each patient who had one, with its hour in Colombia, its code, and doctor 1.
    """
    for key in PATIENTS:
        rows = lab.rows(
            "SELECT to_char(fecha_consulta AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS momento, codigo_cie10, medico_id"
            " FROM public.consultas WHERE paciente_id = %s",
            key,
        )
        wanted = [CONSULTATIONS[key]] if key in CONSULTATIONS else []
        if [tuple(row.values()) for row in rows] != wanted:
            found = "; ".join(", ".join(map(str, row.values())) for row in rows) or "0"
            raise Failed(f"{key} tiene: {found} (la hora en UTC).", f"{key} has: {found} (the hour in UTC).")


@check(points=3, after=patients_there)
def mistake_outside(lab: Lab) -> None:
    """es: La fila con el error entró a la historia clínica, o un menor quedó con la cédula de otra persona.

    en: The row with the mistake came into the clinical history, or a child came in under another person's cédula.
    """
    rows = lab.rows("SELECT cedula FROM public.pacientes WHERE cedula IN ('1999900113', '1999900112', 'TI-1999900111')")
    if rows:
        raise Failed(f"Está {rows[0]['cedula']}.", f"{rows[0]['cedula']} is there.")
