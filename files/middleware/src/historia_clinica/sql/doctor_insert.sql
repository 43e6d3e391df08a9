INSERT INTO medicos (id, nombre, especialidad, registro, ciudad)
VALUES (%(id)s, %(name)s, %(speciality)s, %(registration)s, %(city)s)
    ON CONFLICT DO NOTHING
