"""``python -m iiifkit_primitive`` compiles ahead of the first request, for example while an image is built."""

from .compiling import cache_folder
from .warming import warm_up

if __name__ == "__main__":
    print("Compiling; this takes about a quarter of a minute, or a second if it was done before.", flush=True)
    warm_up()
    print(
        f"iiifkit-primitive is compiled; its code is kept in {cache_folder() or 'no folder, none can be written to'}."
    )
