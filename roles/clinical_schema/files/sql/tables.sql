-- Who owns the clinical history, and what the lab keeps beside it, at the coordinator. Before the history's own tables (history.sql).

DO $$ BEGIN
  IF to_regrole('clinical_owner') IS NULL THEN
    CREATE ROLE clinical_owner NOLOGIN;
  END IF;
END $$;

-- Where a table of the sample is gone, so are its rows: nothing of it counts as loaded.
DO $$ BEGIN
  IF to_regclass('lab.sample_chunks') IS NOT NULL
     AND (to_regclass('public.medicos') IS NULL OR to_regclass('public.pacientes') IS NULL OR to_regclass('public.consultas') IS NULL) THEN
    DELETE FROM lab.sample_chunks;
  END IF;
END $$;

-- On the coordinator alone: a session outlives the loss of any worker.
CREATE TABLE IF NOT EXISTS lab.sesiones (
  id uuid NOT NULL,
  documento_id text NOT NULL,
  huella_refresco text NOT NULL,
  abierta_en timestamptz NOT NULL DEFAULT now(),
  vence_en timestamptz NOT NULL,
  cerrada_en timestamptz,
  CONSTRAINT sesiones_pkey PRIMARY KEY (id)
);
CREATE INDEX IF NOT EXISTS sesiones_documento_id_idx ON lab.sesiones (documento_id);
CREATE INDEX IF NOT EXISTS sesiones_vence_en_idx ON lab.sesiones (vence_en);

-- Log-ins that failed, of each source and account. On the coordinator alone, too: every process of the service counts here.
CREATE TABLE IF NOT EXISTS lab.intentos (
  origen text NOT NULL,
  documento_id text NOT NULL,
  fallos integer NOT NULL,
  ultimo_en timestamptz NOT NULL,
  CONSTRAINT intentos_pkey PRIMARY KEY (origen, documento_id)
);
CREATE INDEX IF NOT EXISTS intentos_ultimo_en_idx ON lab.intentos (ultimo_en);

-- Bookkeeping that no query of the history joins: plain tables of the coordinator.
CREATE TABLE IF NOT EXISTS lab.sample_chunks (
  semilla integer NOT NULL,
  bloque integer NOT NULL,
  pacientes integer NOT NULL,
  consultas integer NOT NULL,
  cargado_en timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT sample_chunks_pkey PRIMARY KEY (semilla, bloque)
);
-- What the tables of the country's and the world's lists were filled with, row by row: what somebody changes of it is told, and comes back.
CREATE TABLE IF NOT EXISTS lab.reference_rows (
  tabla text NOT NULL,
  codigo text NOT NULL,
  fila jsonb NOT NULL,
  CONSTRAINT reference_rows_pkey PRIMARY KEY (tabla, codigo)
);
-- Whose lab it is: one row. On the coordinator alone, too: what is sent to the outside is written there.
CREATE TABLE IF NOT EXISTS lab.institucion (
  unica boolean NOT NULL DEFAULT true,
  nit text NOT NULL,
  codigo_prestador text NOT NULL,
  sede text NOT NULL,
  nombre text NOT NULL,
  direccion text NOT NULL,
  codigo_municipio text NOT NULL,
  CONSTRAINT institucion_pkey PRIMARY KEY (unica),
  CONSTRAINT institucion_unica_check CHECK (unica)
);
CREATE TABLE IF NOT EXISTS lab.applied (
  nombre text NOT NULL,
  huella text NOT NULL,
  aplicado_en timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT applied_pkey PRIMARY KEY (nombre)
);

COMMENT ON TABLE lab.sesiones IS 'Sesiones de la API; solo en el coordinador';
COMMENT ON COLUMN lab.sesiones.id IS 'Identificador de la sesión';
COMMENT ON COLUMN lab.sesiones.documento_id IS 'De quién es';
COMMENT ON COLUMN lab.sesiones.huella_refresco IS 'Huella (SHA-256) del secreto con el que se renueva';
COMMENT ON COLUMN lab.sesiones.abierta_en IS 'Cuándo se abrió';
COMMENT ON COLUMN lab.sesiones.vence_en IS 'Hasta cuándo se puede renovar';
COMMENT ON COLUMN lab.sesiones.cerrada_en IS 'Cuándo se cerró; nulo mientras vale';

COMMENT ON TABLE lab.intentos IS 'Ingresos fallidos a la API, por origen y cuenta; solo en el coordinador, los viejos se borran';
COMMENT ON COLUMN lab.intentos.origen IS 'Desde qué dirección';
COMMENT ON COLUMN lab.intentos.documento_id IS 'A qué cuenta; puede que no exista';
COMMENT ON COLUMN lab.intentos.fallos IS 'Cuántos seguidos';
COMMENT ON COLUMN lab.intentos.ultimo_en IS 'Cuándo fue el último';

COMMENT ON TABLE lab.sample_chunks IS 'Bloques de datos de ejemplo cuya carga terminó';
COMMENT ON COLUMN lab.sample_chunks.semilla IS 'Semilla con la que se generaron';
COMMENT ON COLUMN lab.sample_chunks.bloque IS 'Número del bloque, desde 1';
COMMENT ON COLUMN lab.sample_chunks.pacientes IS 'Pacientes del bloque';
COMMENT ON COLUMN lab.sample_chunks.consultas IS 'Consultas del bloque';
COMMENT ON COLUMN lab.sample_chunks.cargado_en IS 'Momento en que terminó';
COMMENT ON TABLE lab.reference_rows IS 'Las filas de municipios y cie10 que escribió la instalación';
COMMENT ON COLUMN lab.reference_rows.tabla IS 'De qué tabla';
COMMENT ON COLUMN lab.reference_rows.codigo IS 'Su código';
COMMENT ON COLUMN lab.reference_rows.fila IS 'Lo que la instalación escribió en ella';
COMMENT ON TABLE lab.institucion IS 'La institución del laboratorio, una sola fila; la escribe la instalación (clinical_schema_institution)';
COMMENT ON COLUMN lab.institucion.unica IS 'Siempre verdadero: hay una';
COMMENT ON COLUMN lab.institucion.nit IS 'NIT, sin dígito de verificación; RIPS (Resolución 948 de 2026) y RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN lab.institucion.codigo_prestador IS 'Código del prestador en el REPS, diez cifras; RIPS (Resolución 948 de 2026) y RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN lab.institucion.sede IS 'Sede en el REPS, dos cifras; con el código del prestador, las doce que pide RIPS (Resolución 948 de 2026)';
COMMENT ON COLUMN lab.institucion.nombre IS 'Nombre; RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN lab.institucion.direccion IS 'Dirección; RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN lab.institucion.codigo_municipio IS 'Municipio (municipios.codigo_municipio); RDA (Resolución 1888 de 2025)';
COMMENT ON TABLE lab.applied IS 'Lo que la instalación ya aplicó, con la huella de lo aplicado';
COMMENT ON COLUMN lab.applied.nombre IS 'Qué se aplicó';
COMMENT ON COLUMN lab.applied.huella IS 'Huella (SHA-256 recortado) del contenido';
COMMENT ON COLUMN lab.applied.aplicado_en IS 'Cuándo';
