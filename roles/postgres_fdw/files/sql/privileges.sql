-- Everybody may look; everything else is the administrator's.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA lab FROM PUBLIC;
GRANT USAGE ON SCHEMA lab TO PUBLIC;
GRANT EXECUTE ON FUNCTION lab.engine(), lab.read_nodes(), lab.read_shards(), lab.read_tables(), lab.where(text, text) TO PUBLIC;
-- Triggers of tables that others write.
GRANT EXECUTE ON FUNCTION lab.refuse_key_change(), lab.refuse_delete(), lab.require_copies() TO PUBLIC;
GRANT SELECT ON lab.nodes, lab.tables, lab.shards, public.citus_tables TO PUBLIC;
-- What the event triggers ask with the rights of whoever gives a command: nothing that the catalogue does not tell him.
GRANT EXECUTE ON FUNCTION lab.settle(text, text, text), lab.foresee(text, text, text), lab.target(text, text), lab.without_comments(text), lab.is_single(text), lab.all_definitions() TO PUBLIC;
