"""Brain to face: prototypes of valence and arousal from EEG, distilled into a network that sees faces."""
