"""File formats that several data sets use: readers that trust nothing, and writers for the simulators."""
