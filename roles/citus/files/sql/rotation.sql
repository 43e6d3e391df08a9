-- Other passwords, while everybody works. Each step is fit to be run again, with the same password, where an earlier attempt ended half-way.

-- The coordinator's alone, as what lab.sql defines.
SET LOCAL citus.enable_ddl_propagation = off;

-- Gives a login another password on every node, and every node the password to log in with.
CREATE OR REPLACE FUNCTION lab.change_password(rol name, clave text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET log_min_error_statement = panic
AS $$
DECLARE
    secret text := format('password=''%s''', replace(replace(clave, '\', '\\'), '''', '\'''));
    remembered text := format('DELETE FROM pg_catalog.pg_dist_authinfo WHERE nodeid = 0 AND rolename = %L;'
                              ' INSERT INTO pg_catalog.pg_dist_authinfo VALUES (0, %L, %L);', rol, rol, secret);
    quietly text := 'SET LOCAL log_min_error_statement = panic; SET LOCAL lock_timeout = ''5s'';';
    answer record;
BEGIN
    IF rol <> current_user THEN
        -- A login that no node has: its password lies in a file alone (replication).
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = rol) THEN
            RETURN;
        END IF;
        -- Through a connection of its own, as lab.create_login: what other nodes are asked next, they know.
        SELECT a.success, a.result INTO answer
        FROM lab.known_nodes() AS k, LATERAL master_run_on_worker(ARRAY[k.host], ARRAY[k.port], ARRAY[
            format('DO %L', format('BEGIN %s ALTER ROLE %I PASSWORD %L; %s END', quietly, rol, clave, remembered))], true) AS a
        WHERE k.role = 'coordinator';
        IF NOT answer.success THEN
            RAISE EXCEPTION 'the password of % was not changed: %', rol, answer.result;
        END IF;
        PERFORM lab.copy_logins();
        RETURN;
    END IF;

    -- The administrator, as whom nodes come to each other: by their files of passwords, which change later (lab.finish_rotation), so
    -- that meanwhile the password stands beside the others'. A worker that refuses has it from an attempt that ended half-way.
    PERFORM set_config('citus.enable_ddl_propagation', 'off', true);
    EXECUTE format('ALTER ROLE %I PASSWORD %L', rol, clave);
    PERFORM count(*)
    FROM (SELECT array_agg(host) AS hosts, array_agg(port) AS ports,
                 array_agg(format('DO %L', format(
                     'BEGIN %s SET LOCAL citus.enable_ddl_propagation = off; ALTER ROLE %I PASSWORD %L; %s END', quietly, rol,
                     (SELECT rolpassword FROM pg_authid WHERE rolname = rol), remembered))) AS commands
          FROM lab.known_nodes() AS k WHERE k.role = 'worker') AS w,
         LATERAL master_run_on_worker(w.hosts, w.ports, w.commands, true)
    WHERE w.hosts IS NOT NULL;
    EXECUTE format('DO %L', format('BEGIN %s END', remembered));
END
$$;
COMMENT ON FUNCTION lab.change_password(name, text) IS 'Cambia la contraseña de un rol en todos los nodos que la conocen';

-- Forgets on every node what the change of the administrator's password left: the files of passwords have it by now.
CREATE OR REPLACE FUNCTION lab.finish_rotation() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    refusal text;
BEGIN
    SELECT string_agg(format('%s:%s: %s', nodename, nodeport, result), '; ') INTO refusal
    FROM run_command_on_workers(format('DELETE FROM pg_catalog.pg_dist_authinfo WHERE rolename = %L', current_user)) WHERE NOT success;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION 'a node does not answer with the new password: %', refusal
            USING HINT = 'Start the node that does not answer, then run this again.';
    END IF;
    DELETE FROM pg_dist_authinfo WHERE rolename = current_user;
END
$$;
COMMENT ON FUNCTION lab.finish_rotation() IS 'Cambia las contraseñas que solo los servidores conocen, cuando ya cambiaron las demás';

REVOKE EXECUTE ON FUNCTION lab.change_password(name, text), lab.finish_rotation() FROM PUBLIC;
