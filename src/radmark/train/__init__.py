"""From annotated cases to a trained model."""
