DELETE FROM public.accesos WHERE paciente_id = '1999900122';
DELETE FROM public.cambios WHERE paciente_id = '1999900122';
DELETE FROM public.solicitudes WHERE paciente_id = '1999900122';
DELETE FROM public.consultas WHERE paciente_id = '1999900122';
DELETE FROM public.pacientes WHERE cedula = '1999900122';
DELETE FROM lab.sesiones WHERE documento_id = '1999900121';
DELETE FROM public.accesos_paginas WHERE documento_id = '1999900121';
DELETE FROM public.usuario WHERE documento_id = '1999900121';
