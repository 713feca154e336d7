"""Points against points: metrics and the page that shows them."""
