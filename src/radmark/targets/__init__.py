"""Points to maps and back: label regions, their schedule, losses on them, and the decoder."""
