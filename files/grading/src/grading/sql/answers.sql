-- Where students write down what they measured, on the coordinator alone; what is there of this exercise goes.
CREATE TABLE IF NOT EXISTS public.respuestas (
  ejercicio text NOT NULL,
  pregunta text NOT NULL,
  valor numeric NOT NULL,
  CONSTRAINT respuestas_pkey PRIMARY KEY (ejercicio, pregunta)
);
DELETE FROM public.respuestas WHERE ejercicio = :'exercise';
