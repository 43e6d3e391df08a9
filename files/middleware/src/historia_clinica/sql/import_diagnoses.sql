SELECT codigo, has_table_privilege('middleware', 'cie10', 'INSERT') AS entra FROM cie10
