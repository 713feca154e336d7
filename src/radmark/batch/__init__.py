"""Many radiographs: read ahead while the network works, and kept in a journal, so that a killed job goes on."""
