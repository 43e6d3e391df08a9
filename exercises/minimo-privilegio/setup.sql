CREATE ROLE analista_salud NOLOGIN;
SELECT '{}';
