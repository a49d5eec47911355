"""What is done to windows so that a model meets a new person: wrappers around models."""
