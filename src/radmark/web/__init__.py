"""Annotating in the browser: the store of what readers did, the films, the readers, and the server between them and the page."""
