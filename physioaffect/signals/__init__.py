"""Cleaning and decomposition, one file a modality."""
