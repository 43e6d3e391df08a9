DELETE FROM public.accesos WHERE paciente_id ~ '^(TI-)?199990011[1-4]$';
DELETE FROM public.cambios WHERE paciente_id ~ '^(TI-)?199990011[1-4]$';
DELETE FROM public.solicitudes WHERE paciente_id ~ '^(TI-)?199990011[1-4]$';
DELETE FROM public.consultas WHERE paciente_id ~ '^(TI-)?199990011[1-4]$';
DELETE FROM public.pacientes WHERE cedula ~ '^(TI-)?199990011[1-4]$';
