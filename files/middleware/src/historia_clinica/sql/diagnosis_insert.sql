-- Without a description: that marks it as one that the lab does not know. Without ON CONFLICT: Citus would want UPDATE for it, too.
INSERT INTO cie10 (codigo) VALUES (%(codigo)s)
