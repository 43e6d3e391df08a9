CREATE ROLE investigacion NOLOGIN;
SELECT '{}';
