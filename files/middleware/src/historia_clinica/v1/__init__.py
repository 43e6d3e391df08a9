"""`/api/v1`: the clinical history, a module for each kind of thing."""
