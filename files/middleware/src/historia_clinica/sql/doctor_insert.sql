INSERT INTO medicos (id, nombre, especialidad, registro, ciudad, documento, primer_nombre, segundo_nombre, primer_apellido, segundo_apellido, codigo_servicio)
VALUES (%(id)s, %(name)s, %(speciality)s, %(registration)s, %(city)s, %(document)s, %(given)s, %(second_given)s, %(surname)s, %(second_surname)s, %(service)s)
    ON CONFLICT DO NOTHING
