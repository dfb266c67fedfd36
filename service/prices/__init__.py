"""Which price is in force, and what numbers cost by it: for all that shows or counts money."""
