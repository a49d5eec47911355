"""Windows to labelled features, one file a family."""
