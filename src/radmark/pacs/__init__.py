"""The hospital archive: is it there, and take this."""
