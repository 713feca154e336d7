"""What keeps a patient a stranger to everybody who has no business with them."""
