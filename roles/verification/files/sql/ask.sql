-- A query's rows, or its error: one that fails must not keep the others from being asked. A function of this session,
-- whose transaction is rolled back (the task runs in check mode).
CREATE FUNCTION pg_temp.ask(consulta text) RETURNS jsonb
LANGUAGE plpgsql
AS $$
DECLARE
    row record;
    rows jsonb := '[]';
BEGIN
    -- statement_timeout strikes once for all questions: what comes after it is not asked, or it could hang for ever.
    IF clock_timestamp() > statement_timestamp() + current_setting('statement_timeout')::interval THEN
        RETURN jsonb_build_object('skipped', 'an earlier question took too long');
    END IF;
    FOR row IN EXECUTE consulta LOOP
        rows := rows || to_jsonb(row);
    END LOOP;
    RETURN jsonb_build_object('rows', rows);
EXCEPTION WHEN OTHERS OR query_canceled THEN
    RETURN jsonb_build_object('error', SQLERRM);
END
$$
