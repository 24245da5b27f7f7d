"""periomics: from voxels, slides, wells and reads to a verdict per claim, with the animal as the unit.

One subpackage an area, under the same names as the rules, the scripts, the tests and the results. Subpackages do not
re-export: importing `periomics.microct.thickness` loads that module and what it needs, nothing else, so that a change
in one module reruns only the rules that use it.
"""

__version__ = "0.1.0"
