from hypothesis import settings

# The first example may have to wait for numba.
settings.register_profile("compiled", deadline=None)
settings.load_profile("compiled")
