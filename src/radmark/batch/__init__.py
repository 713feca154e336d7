"""Many films: read ahead while the network works, and kept in a journal, so that an interrupted job resumes."""
