"""Points to maps and back: label regions, their schedule, the objectives a loss each, and the decoder."""
