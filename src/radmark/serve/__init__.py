"""A trained model as a service that other systems call."""
