-- A query's rows, or its error: one that fails must not keep the others from being asked. A function of this session,
-- whose transaction is rolled back (the task runs in check mode).
CREATE FUNCTION pg_temp.ask(consulta text) RETURNS jsonb
LANGUAGE plpgsql
AS $$
DECLARE
    row record;
    rows jsonb := '[]';
BEGIN
    FOR row IN EXECUTE consulta LOOP
        rows := rows || to_jsonb(row);
    END LOOP;
    RETURN jsonb_build_object('rows', rows);
EXCEPTION WHEN OTHERS OR query_canceled THEN
    RETURN jsonb_build_object('error', SQLERRM);
END
$$
