"""What is true at the carrier, at the voice provider, in Teli's own store and on its bills, each apart."""
