-- Other passwords, while everybody works. No transaction reaches all nodes: each step is fit to be run again, with the same password, where an
-- earlier attempt ended half-way. Passwords go to the workers as verifiers.

-- Who stands for a rotation in pg_locks, while subscriptions change what they log in with.
CREATE OR REPLACE FUNCTION lab.rotation_lock() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 7236010518;

-- Gives a login another password, wherever it is known.
CREATE OR REPLACE FUNCTION lab.change_password(rol name, clave text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse AS $$
DECLARE
  nodo text;
  sentencia text;
BEGIN
  EXECUTE format('ALTER ROLE %I PASSWORD %L', rol, clave);
  IF rol = current_user THEN  -- the administrator, who logs in everywhere
    sentencia := format('ALTER ROLE %I PASSWORD %L', rol, (SELECT rolpassword FROM pg_authid WHERE rolname = rol));
    FOR nodo IN SELECT w.node_name FROM lab.workers w ORDER BY w.node_name LOOP
      BEGIN
        PERFORM lab.on_node(nodo, sentencia);
      EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection THEN
        -- It may know the new one, from an attempt that ended half-way.
        PERFORM lab.map_login(rol, nodo, rol, clave);
        PERFORM lab.on_node(nodo, sentencia);
      END;
    END LOOP;
    PERFORM lab.map_login(rol, s.node_name, rol, clave) FROM lab.servers s;
  ELSIF rol = 'replication' THEN  -- the workers learn of it in lab.finish_rotation
    PERFORM lab.map_login(rol, s.node_name, rol, clave) FROM lab.servers s WHERE s.role = 'coordinator';
  END IF;
END
$$;
COMMENT ON FUNCTION lab.change_password(name, text) IS 'Cambia la contraseña de un rol en todos los nodos que la conocen';

-- Gives the workers the password of `replication`, and `nodes` another one, which nobody is told. Must be the first statement of its
-- transaction, as lab.subscribe.
CREATE OR REPLACE FUNCTION lab.finish_rotation() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET log_min_error_statement = panic
SET log_error_verbosity = terse AS $$
DECLARE
  clave text := replace(concat(gen_random_uuid(), gen_random_uuid()), '-', '');
  nodo text;
BEGIN
  PERFORM pg_advisory_xact_lock(lab.rotation_lock());
  PERFORM lab.subscribe();
  ALTER ROLE nodes NOLOGIN;
  EXECUTE format('ALTER ROLE nodes PASSWORD %L', clave);
  PERFORM lab.map_login(m.usename, m.srvname, 'nodes', clave)
     FROM pg_user_mappings m JOIN lab.workers w ON w.node_name = m.srvname WHERE m.usename <> current_user;
  -- Last, and one right after the other: until this commits, whoever connects to such a node is refused, and tries again.
  FOR nodo IN SELECT w.node_name FROM lab.workers w ORDER BY w.node_name LOOP
    PERFORM lab.on_node(nodo, format('ALTER ROLE nodes PASSWORD %L', (SELECT rolpassword FROM pg_authid WHERE rolname = 'nodes')));
  END LOOP;
END
$$;
COMMENT ON FUNCTION lab.finish_rotation() IS 'Cambia las contraseñas que solo los servidores conocen, cuando ya cambiaron las demás';
