-- Citus moves a shard in sessions of its table's owner, which nodes open among themselves.
DO $$ BEGIN
  IF lab.engine() = 'citus' THEN
    PERFORM lab.create_owner('clinical_owner');
  END IF;
END $$;
