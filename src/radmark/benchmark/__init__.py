"""Methods against each other on the same films: arms x data sets x folds x seeds, and the tables that come of them."""
