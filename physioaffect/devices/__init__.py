"""Readers of devices' files, one file a device."""
