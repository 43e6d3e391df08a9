SELECT '{}';
