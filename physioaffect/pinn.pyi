# Type checkers cannot run the import hook that maps pinn/ into the package; this tells them.
from pinn import *
