"""The command line: serve, transform, tile-seed, optimize, dump-config, plugins."""

import gc
import os
import sys
from typing import Any

import click

FAILED, WRONG, SETUP, INTERRUPTED = 1, 2, 3, 130

EXIT_CODES = """\b
Exit codes:
  0    done
  1    the work failed: a missing or broken image, an output that cannot be written
  2    the command line is wrong, or asks for what is not offered
  3    the config or a plugin is wrong
  130  interrupted
"""

config_option = click.option(
    "--config", "-c", type=click.Path(dir_okay=False), help="The JSON config, go-iiif's or iiifkit's own."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True, epilog=EXIT_CODES)
@click.version_option(package_name="iiifkit", message="%(prog)s %(version)s")
def cli() -> None:
    """Serve zoomable images over the IIIF Image API, and transform single ones."""


@cli.command()
@click.argument("folder", required=False, type=click.Path(file_okay=False))
@config_option
@click.option("--host", help="The address to listen on; 0.0.0.0 is all of them.  [default: localhost]")
@click.option("--port", type=click.IntRange(0, 65_535), help="0 takes a free one.  [default: 8080]")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that answer.  [default: 1]")
@click.option("--tls-cert", type=click.Path(dir_okay=False), help="A certificate file, for https.")
@click.option("--tls-key", type=click.Path(dir_okay=False), help="The certificate's key file.")
@click.option(
    "--gallery/--no-gallery", default=None, help="A page that lists the images.  [default: on localhost only]"
)
@click.option("--example", is_flag=True, help="Serve the example picture too, and a page that shows it.")
def serve(folder: str | None, config: str | None, example: bool, **options: Any) -> None:
    """Serve the images in FOLDER, or those that the config names (the present folder without either)."""
    from . import serving

    given = {f"server__{name}": value for name, value in options.items() if value is not None}
    serving.serve(config, folder, example, **given)


@cli.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@config_option
@click.option("--region", default="full", show_default=True, help="full, square, x,y,w,h or pct:x,y,w,h.")
@click.option("--size", default="max", show_default=True, help="max, w, ,h pct:n w,h or !w,h; ^ before it to enlarge.")
@click.option("--rotation", default="0", show_default=True, help="Degrees clockwise; ! before them to mirror.")
@click.option("--quality", default="default", show_default=True, help="default, color, gray, bitonal, dither ...")
@click.option("--format", help="jpg, png, tif, gif, webp, avif, jp2 or pdf.  [default: what OUT ends with]")
def transform(source: str, target: str, config: str | None, format: str | None, **parameters: str) -> None:
    """Make one picture out of another: IN and OUT are files, or - for standard input and output."""
    from .transforming import transform_file

    transform_file(source, target, config, format, parameters)


def _scale_factors(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Read a list such as ``8,4,2,1``."""
    if text is None:
        return None
    factors = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 8 and int(part) for part in factors):
        raise click.BadParameter("a list of whole numbers from 1 is needed, such as 8,4,2,1.")
    return tuple(map(int, factors))


@cli.command("tile-seed")
@click.argument("images", metavar="[SOURCE[,ALTERNATE]]...", nargs=-1)
@config_option
@click.option(
    "--mode",
    type=click.Choice(["-", "csv"]),
    default="-",
    show_default=True,
    help="-: identifiers, without any the lines of standard input. csv: files with source_id,alternate_id.",
)
@click.option(
    "--scale-factors",
    metavar="N,N...",
    callback=_scale_factors,
    help="Such as 8,4,2,1.  [default: all that make sense]",
)
@click.option(
    "--tile-size",
    "tile",
    type=click.IntRange(16, 4096),
    help="Pixels.  [default: what info.json advertises: 256, or what the config or the image's own tiles say]",
)
@click.option("--format", default="jpg", show_default=True, help="jpg, png, webp, gif ...")
@click.option("--quality", default="default", show_default=True, help="default, color, gray, bitonal, dither ...")
@click.option("--refresh", is_flag=True, help="Make again what is there already.")
@click.option(
    "--endpoint",
    default="http://localhost:8080",
    show_default=True,
    help="Where the tree will be published; info.json has it in it.",
)
@click.option("--processes", type=click.IntRange(1, 256), help="Images at a time.  [default: the processors]")
@click.option("--api-version", type=click.Choice(["2", "3"]), help="Of info.json and names.  [default: the config's]")
@click.option("--report", type=click.Path(dir_okay=False), help="Write a line of JSON for each image to this file.")
def tile_seed(
    images: tuple[str, ...],
    config: str | None,
    mode: str,
    processes: int | None,
    api_version: str | None,
    report: str | None,
    **options: Any,
) -> None:
    """Make all tiles of images ahead of time, in the config's derivatives.cache.

    The tree is a static site as well: any file server shows it in OpenSeadragon, Leaflet-IIIF and Mirador. A second run
    makes only what is missing. With SOURCE,ALTERNATE the tiles of SOURCE are filed under the name ALTERNATE.
    """
    from .seeding.inputs import jobs
    from .seeding.running import seed
    from .seeding.settings import Settings

    settings = Settings(version=int(api_version) if api_version else None, **options)
    if not seed(config, jobs(images, mode), settings, processes, report):
        sys.exit(FAILED)


@cli.command()
@click.argument("sources", metavar="IN...", nargs=-1, required=True)
@click.argument("target", metavar="OUT")
@config_option
@click.option("--tile-size", "tile", type=int, help="Pixels, a multiple of 16.  [default: the config's, else 256]")
@click.option("--quality", type=int, help="Of the JPEG tiles, 1 to 89.  [default: the config's, else 80]")
@click.option("--refresh", is_flag=True, help="Write again what is newer than its image.")
@click.option("--report", type=click.Path(dir_okay=False), help="Write a line of JSON for each image to this file.")
def optimize(sources: tuple[str, ...], target: str, config: str | None, **options: Any) -> None:
    """Turn images into tiled TIFF pyramids, from which tiles are cheap to cut: one file an image.

    OUT is a file, or a folder if there are several images, if it exists or ends with a slash. The pyramids are upright
    and in sRGB; transparent and 16-bit pictures are stored without loss, the others as JPEG tiles.
    """
    from .optimizing import optimize

    if not optimize(sources, target, config, **options):
        sys.exit(FAILED)


@cli.command("dump-config")
@config_option
@json_option
def dump_config(config: str | None, as_json: bool) -> None:
    """Print what the specification and the config say of each feature, as Markdown tables."""
    import msgspec

    from .assembly import assemble
    from .config import read_config
    from .feature_report import as_json as json_rows
    from .feature_report import as_markdown
    from .sources.one_image import OneImage
    from .transforming import NO_CACHES

    features = assemble(read_config(config), NO_CACHES, source=OneImage(b"")).service.features
    click.echo(msgspec.json.encode(json_rows(features)) if as_json else as_markdown(features), nl=as_json)


@cli.group(no_args_is_help=True)
def plugins() -> None:
    """See which plugins are installed, and begin a new one."""


@plugins.command("list")
@config_option
@json_option
def list_plugins(config: str | None, as_json: bool) -> None:
    """List what is loaded: name, kind, distribution, version, and whether the config uses it."""
    import msgspec

    from .assembly import registry_for
    from .config import load_config, read_config
    from .errors import SetupError
    from .listing import plugin_rows

    raw = read_config(config)
    registry = registry_for(raw)
    try:
        loaded = load_config(raw, registry)
    except SetupError as error:
        # The list is what helps to mend a config that names something missing.
        loaded = None
        click.echo(f"iiifkit: {error}", err=True)
    rows = plugin_rows(registry, loaded)
    click.echo(msgspec.json.encode(rows) if as_json else _table(rows))
    if loaded is None:
        sys.exit(SETUP)


@plugins.command("new")
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(["quality", "source", "cache", "engine"]), default="quality", show_default=True
)
@click.option("--folder", type=click.Path(), help="Where to write it.  [default: iiifkit-NAME]")
def new_plugin(name: str, kind: str, folder: str | None) -> None:
    """Write the beginning of a plugin: it installs, works, and passes its own tests."""
    from .templates import write_plugin

    written = write_plugin(name, kind, folder)
    click.echo(f'Wrote {written}. Now: cd {written} && pip install -e ".[test]" && pytest')


def _table(rows: list[dict[str, Any]]) -> str:
    """Return rows as aligned columns of plain text."""
    used = {True: "used", False: "", None: "?"}
    lines = [("NAME", "KIND", "DISTRIBUTION", "VERSION", "USED", "WHAT IT IS")]
    for row in rows:
        what = f"not loaded: {row['broken']}" if row["broken"] else row["summary"]
        kind = row["kind"] or "-"
        lines.append((row["name"], kind, row["distribution"], row["version"], used[row["used"]], what))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join("  ".join([*map(str.ljust, line, widths), line[5]]).rstrip() for line in lines)


def main() -> None:
    """Run the command line; every error is one line on standard error."""
    from .errors import BadRequest, IIIFKitError, SetupError

    try:
        cli.main(prog_name="iiifkit", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except IIIFKitError as error:
        click.echo(f"iiifkit: {error}", err=True)
        sys.exit(SETUP if isinstance(error, SetupError) else WRONG if isinstance(error, BadRequest) else FAILED)
    except OSError as error:
        if error.filename is not None:
            raise
        # Without a file's name it was standard output. What is left for it goes nowhere, or Python complains, too.
        click.echo(f"iiifkit: Standard output cannot be written: {error.strerror}.", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    finally:
        gc.freeze()  # at the end Python would look through all that is loaded for garbage, for a hundredth of a second


if __name__ == "__main__":
    main()
