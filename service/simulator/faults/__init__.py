"""What can go wrong, by name. A new fault is a class and its line in the catalogue."""
