"""The CPU engine: lanes trained one after another, each in the processor's cache, by kernels that numba compiles.

numba is optional: where it is missing, or a lane wants what no kernel does, `models.group` trains the lane with torch.
"""

try:
    import numba
except ImportError:
    numba = None

HAS_COMPILER = numba is not None
