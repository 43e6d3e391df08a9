-- Without a description: that marks it as one that the lab does not know.
INSERT INTO cie10 (codigo) VALUES (%(codigo)s) ON CONFLICT DO NOTHING
