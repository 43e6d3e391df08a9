-- fails: by_the_api
-- Past the API.
UPDATE public.pacientes SET telefono = '6015550199', ciudad = 'Tunja' WHERE cedula = '1999900102';
