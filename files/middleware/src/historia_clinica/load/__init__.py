"""Sample data: invented people of Colombia and their consultations, the same for the same seed."""
