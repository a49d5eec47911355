# Type checkers cannot run the import hook that maps graphs/ into the package; this tells them.
from graphs import *
