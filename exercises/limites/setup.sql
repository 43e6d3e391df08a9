CREATE ROLE informes LOGIN;
SELECT json_build_object('others', coalesce(json_agg(concat_ws(' ', setdatabase, setrole, setconfig::text)), '[]'::json))
  FROM (SELECT s.* FROM pg_db_role_setting s ORDER BY setdatabase, setrole) AS s (setdatabase, setrole, setconfig);
