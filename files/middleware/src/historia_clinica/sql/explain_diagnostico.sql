-- Cuántas consultas tienen un diagnóstico
-- Cada nodo usa su propio índice, pero nadie sabe de antemano cuáles tienen algo.
SELECT count(*)
  FROM consultas
 WHERE codigo_cie10 = 'J069'
