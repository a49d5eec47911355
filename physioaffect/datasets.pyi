# Type checkers cannot run the import hook that maps datasets/ into the package; this tells them.
from datasets import *
