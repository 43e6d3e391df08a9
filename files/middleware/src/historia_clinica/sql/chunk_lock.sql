-- Two loaders of the same block wait for each other; the lock goes with the transaction, so with a killed loader too.
SELECT pg_advisory_xact_lock(%(seed)s, %(block)s)
