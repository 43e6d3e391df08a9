-- fails: shows_own
-- Switched on, and nothing else.
ALTER TABLE public.citas ENABLE ROW LEVEL SECURITY;
