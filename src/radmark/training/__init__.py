"""From marked films to a trained model."""
