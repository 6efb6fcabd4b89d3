"""The command line: what it prints, what it leaves behind, its exit codes, and that nobody ever sees a traceback."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pictures
import pytest
from PIL import Image
from test_docs import ROOT, read_json

from iiifkit.errors import BadRequest, ImageOverLimit
from iiifkit.image_api.features import TABLE
from iiifkit.transforming import format_of, read_stream, request_path, write_file

WIDTH, HEIGHT = 300, 200
COMMAND = [sys.executable, "-m", "iiifkit.cli"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``in.png``, ``truncated.jpg``, ``text.jpg``, ``empty.jpg`` and a subfolder."""
    Image.fromarray(pictures.photograph("astronaut.png", WIDTH, HEIGHT)).save(tmp_path / "in.png")
    photograph = pictures.encoded(pictures.photograph("coffee.png", 600, 400), "jpg")
    (tmp_path / "truncated.jpg").write_bytes(photograph[: len(photograph) // 2])
    (tmp_path / "text.jpg").write_text("This is no picture.")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def run(folder: Path, *arguments: str, **more: object) -> subprocess.CompletedProcess[bytes]:
    environ = {**os.environ, "XDG_CACHE_HOME": str(folder / "user-cache")}
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **more}
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environ, stderr=subprocess.PIPE, timeout=60, **options
    )  # type: ignore[call-overload, no-any-return]


def transform(folder: Path, *arguments: str, **more: object) -> subprocess.CompletedProcess[bytes]:
    done = run(folder, "transform", *arguments, **more)
    assert (done.returncode == 0) == (done.stderr == b""), done.stderr
    return done


def sentence(done: subprocess.CompletedProcess[bytes]) -> str:
    """What a failed command said: one line, without a traceback."""
    said = done.stderr.decode()
    assert "Traceback" not in said
    assert said.count("\n") == 1, said
    assert said.startswith("iiifkit: "), said
    return said.removeprefix("iiifkit: ").rstrip()


def opened(data: bytes | Path) -> Image.Image:
    image = Image.open(BytesIO(data) if isinstance(data, bytes) else data)
    image.load()
    return image


# transform


@pytest.mark.parametrize("name", ["out.jpg", "out.jpeg", "out.JPG", "out.png", "out.tif", "out.tiff", "out.gif"])
def test_the_format_is_what_the_name_ends_in(name: str) -> None:
    assert format_of(name) == {"jpeg": "jpg", "tiff": "tif"}.get(name[4:].lower(), name[4:].lower())


def test_a_file_becomes_another(folder: Path) -> None:
    arguments = ["--region", "50,0,200,200", "--size", "100,", "--rotation", "!90", "--quality", "gray"]
    transform(folder, "in.png", "out.webp", *arguments)
    made = opened(folder / "out.webp")
    assert (made.format, made.size) == ("WEBP", (100, 100))
    bands = np.asarray(made.convert("RGB"), int)
    assert np.abs(bands[..., 0] - bands[..., 2]).max() <= 4
    assert (folder / "out.webp").stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_said_format_beats_the_name(folder: Path) -> None:
    transform(folder, "in.png", "out.png", "--format", "jpg")
    assert opened(folder / "out.png").format == "JPEG"


def test_from_standard_input_to_standard_output(folder: Path) -> None:
    data = (folder / "in.png").read_bytes()
    done = transform(folder, "-", "-", "--format", "tif", "--size", "pct:50", input=data, stdin=None)
    assert (opened(done.stdout).format, opened(done.stdout).size) == ("TIFF", (WIDTH // 2, HEIGHT // 2))


def test_full_is_understood_as_a_size(folder: Path) -> None:
    transform(folder, "in.png", "out.png", "--size", "full")
    assert np.array_equal(opened(folder / "out.png"), opened(folder / "in.png"))


def test_out_may_be_in(folder: Path) -> None:
    (folder / "in.png").chmod(0o640)
    transform(folder, "in.png", "in.png", "--size", "30,")
    assert opened(folder / "in.png").size == (30, 20)
    assert (folder / "in.png").stat().st_mode & 0o777 == 0o640


def test_links_are_followed(folder: Path) -> None:
    (folder / "link.png").symlink_to("in.png")
    (folder / "dangling.png").symlink_to("folder/new.png")
    transform(folder, "link.png", "link.png", "--size", "30,")
    transform(folder, "link.png", "dangling.png", "--size", "15,")
    assert (folder / "link.png").is_symlink()
    assert opened(folder / "in.png").size == (30, 20)
    assert opened(folder / "folder" / "new.png").size == (15, 10)


def test_pipes_are_read_and_written(folder: Path) -> None:
    script = f'"{sys.executable}" -m iiifkit.cli transform <(cat in.png) /dev/stdout --format png --size 30, | cat'
    done = subprocess.run(["bash", "-c", script], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.stderr == b""
    assert opened(done.stdout).size == (30, 20)


def test_a_named_pipe_stays_one(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    reader = subprocess.Popen(["cat", "pipe"], cwd=folder, stdout=subprocess.PIPE)
    transform(folder, "in.png", "pipe", "--format", "png")
    assert opened(reader.communicate(timeout=30)[0]).size == (WIDTH, HEIGHT)
    assert (folder / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("missing.png", "'missing.png' does not exist."),
        ("missing/in.png", "'missing/in.png' does not exist."),
        ("in.png/in.png", "The file 'in.png/in.png' cannot be read: Not a directory."),
        ("folder", "'folder' is not a file."),
        ("new\nline", r"'new\nline' does not exist."),
        ("x" * 300, f"The file '{'x' * 300}' cannot be read: File name too long."),
        ("text.jpg", "The file is not a picture in a known format"),
        ("empty.jpg", "The file is not a picture in a known format"),
        ("truncated.jpg", "The image file is damaged or incomplete, so no picture can be made of it."),
    ],
)
def test_a_bad_in_is_told_and_leaves_nothing(folder: Path, source: str, said: str) -> None:
    before = sorted(folder.iterdir())
    done = transform(folder, source, "out.png")
    assert done.returncode == 1
    assert sentence(done).startswith(said)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("missing/out.png", "The file 'missing/out.png' cannot be written: No such file or directory."),
        ("in.png/out.png", "The file 'in.png/out.png' cannot be written: Not a directory."),
        ("x" * 300 + ".png", "cannot be written: File name too long."),
        ("folder", "The file 'folder' cannot be written: Is a directory."),
    ],
)
def test_an_out_that_cannot_be_written_is_told(folder: Path, target: str, said: str) -> None:
    before = sorted(folder.iterdir())
    done = transform(folder, "in.png", target, "--format", "png")
    assert done.returncode == 1
    assert said in sentence(done)
    assert sorted(folder.iterdir()) == before


def test_a_folder_that_may_not_be_written_is_told(folder: Path) -> None:
    """/proc refuses new files even to root."""
    done = transform(folder, "in.png", "/proc/iiifkit-out.png")
    assert done.returncode == 1
    assert sentence(done).startswith("The file '/proc/iiifkit-out.png' cannot be written: ")


def test_a_failed_write_leaves_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quota or a full disk: the limit on file sizes stands for them."""
    before = (folder / "in.png").read_bytes()
    limited = ["bash", "-c", 'ulimit -f 1; trap "" XFSZ; exec "$@"', "bash", *COMMAND]
    done = subprocess.run(
        [*limited, "transform", "in.png", "in.png", "--size", "^600,"], cwd=folder, capture_output=True, timeout=60
    )
    assert done.returncode == 1
    assert sentence(done) == "The file 'in.png' cannot be written: File too large."
    assert (folder / "in.png").read_bytes() == before
    assert not list(folder.glob(".iiifkit-*"))


def test_write_file_never_shows_half_of_it(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_file(tmp_path / "out", "not bytes")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["out"], "'out' does not end in a format; say it: --format jpg|"),
        (["out.xyz"], "'out.xyz' does not end in a format"),
        (["-"], "Standard output has no name to tell the format by"),
        (["out.png", "--format", "bmp"], "The format 'bmp' cannot be served"),
        (["out.png", "--size", "huge"], "The size 'huge' is not"),
        (["out.png", "--size", "400,"], "The size '400,' is larger than the region of 300x200 pixels"),
        (["out.png", "--size", "0,"], "The size '0,'"),
        (["out.png", "--region", "a/b"], "The region 'a/b' is not"),
        (["out.png", "--region", ""], "The region '' is not"),
        (["out.png", "--region", "999,999,1,1"], "The region '999,999,1,1' lies outside"),
        (["out.png", "--region", "0,0,1e3,1"], "The region '0,0,1e3,1' is not"),
        (["out.png", "--rotation", "nan"], "The rotation 'nan' is not"),
        (["out.png", "--rotation", "361"], "The rotation '361'"),
        (["out.png", "--quality", "sepia"], "The quality 'sepia' cannot be served"),
        (["out.png", "--quality", "../gray"], "The quality"),
        (["out.png", "--quality", "gray.png?x#y%00"], "The "),
        (["out.png", "--size", "\x1b[31mred"], "The "),
        (["out.png", "--region", "9" * 5000], "The "),
    ],
)
def test_a_wrong_request_is_told(folder: Path, arguments: list[str], said: str) -> None:
    done = transform(folder, "in.png", *arguments)
    assert done.returncode == 2
    assert sentence(done).startswith(said)
    assert sentence(done).isprintable()
    assert not list(folder.glob("out*"))


def test_a_result_over_the_limits_is_told(folder: Path) -> None:
    done = transform(folder, "in.png", "out.png", "--size", "^99999,")
    assert done.returncode == 1
    assert "maxArea" in sentence(done)


def test_standard_input_is_read_up_to_the_limit(folder: Path) -> None:
    (folder / "config.json").write_text('{"limits": {"max_source_bytes": 100000}}')
    done = transform(folder, "-", "out.png", "-c", "config.json", input=bytes(200_000), stdin=None)
    assert done.returncode == 1
    assert sentence(done) == "The image has more than 100000 bytes, which limits.max_source_bytes allows."
    assert read_stream(BytesIO(b"12345"), 5) == read_stream(BytesIO(b"12345"), None) == b"12345"
    with pytest.raises(ImageOverLimit):
        read_stream(BytesIO(b"123456"), 5)


def test_closed_streams_are_told(folder: Path) -> None:
    for ends, said in (
        (["-", "out.png"], "Standard input is closed."),
        (["in.png", "-"], "Standard output is closed."),
    ):
        script = '"$@" <&- >&-'
        command = ["bash", "-c", script, "bash", *COMMAND, "transform", *ends, "--format", "png"]
        done = subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 1
        assert sentence(done) == said


def test_names_of_formats_are_checked_before_anything_is_read(folder: Path) -> None:
    with pytest.raises(BadRequest):
        format_of("out.exe")
    assert request_path("full", "full", "0", "a/b%", "jpg") == "image/full/max/0/a%2Fb%25.jpg"


# What standard output may do


FULL = [["transform", "in.png", "-", "--format", "png"], ["dump-config"], ["plugins", "list", "--json"], ["--help"]]


@pytest.mark.parametrize("arguments", FULL, ids=" ".join)
def test_a_full_disk_behind_standard_output_is_told(folder: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(folder, *arguments, stdout=full)
    assert done.returncode == 1
    assert sentence(done) == "Standard output cannot be written: No space left on device."


@pytest.mark.parametrize("arguments", FULL, ids=" ".join)
def test_a_reader_that_goes_away_ends_it_silently(folder: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = run(folder, *arguments, stdout=pipe)
    assert done.returncode == 1
    assert done.stderr == b""


# dump-config and plugins list


def config_file(folder: Path, text: str) -> str:
    (folder / "config.json").write_text(text)
    return "config.json"


def test_dump_config_prints_go_iiifs_tables(folder: Path) -> None:
    done = run(folder, "dump-config")
    text = done.stdout.decode()
    parameters = ["region", "size", "rotation", "quality", "format"]
    link = "http://iiif.io/api/image/2.1/index.html#"
    assert re.findall(r"^##### \[(\w+)\]\((.+)\)$", text, re.M) == [(name, link + name) for name in parameters]
    head = "| feature | syntax | required (spec) | supported (spec) | required (config) | supported (config) |"
    assert text.count(head) == 5
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| **")]
    assert {len(row) for row in cells} == {6}
    true, false = '<span style="color:green;">true</span>', '<span style="color:red;">false</span>'
    bold = '<span style="color:green;">**true**</span>'
    table = {row[0].strip("*"): row[1:] for row in cells}
    assert table["regionByPx"] == ["x,y,w,h", true, true, bold, bold]
    assert table["bitonal"] == ["bitonal", true, true, bold, bold]
    assert table["color"][1] == false
    assert table["dither"] == ["dither", false, false, false, bold]


def test_dump_config_says_what_the_specification_asks_for(folder: Path) -> None:
    """Level 2 of version 2.1, from its compliance document."""
    required = {
        *("full", "regionByPx", "regionByPct", "sizeByW", "sizeByH", "sizeByPct", "sizeByConfinedWh", "sizeByWh"),
        *("sizeByDistortedWh", "none", "rotationBy90s", "default", "bitonal", "jpg", "png"),
    }
    rows = json.loads(run(folder, "dump-config", "--json").stdout)
    assert {row["feature"] for row in rows if row["required_by_specification"]} == required
    known = {(feature.parameter, feature.name) for feature in TABLE if feature.parameter != "http"}
    assert known | {("quality", "dither")} == {(row["parameter"], row["feature"]) for row in rows}


def test_dump_config_shows_what_the_config_changes(folder: Path) -> None:
    features = {"disable": {"quality": ["gray"]}, "append": {"size": {"max": appended("max", "^max$")}}}
    config = config_file(folder, json.dumps({"features": features}))
    rows = {row["feature"]: row for row in json.loads(run(folder, "dump-config", "--json", "-c", config).stdout)}
    assert not rows["gray"]["supported_by_config"]
    assert rows["gray"]["supported_by_specification"]
    assert (rows["max"]["match"], rows["max"]["required_by_config"]) == ("^max$", True)
    assert "dither" not in rows


def appended(syntax: str, match: str) -> dict[str, object]:
    return {"syntax": syntax, "required": True, "supported": True, "match": match}


def test_dump_config_escapes_what_markdown_takes_for_a_table(folder: Path) -> None:
    features = {"append": {"quality": {"dither": appended("a|b|c", "^dither$")}}}
    done = run(folder, "dump-config", "-c", config_file(folder, json.dumps({"features": features})))
    (line,) = [line for line in done.stdout.decode().splitlines() if "dither" in line]
    assert r"a\|b\|c" in line


def test_plugins_list_as_text_and_json(folder: Path) -> None:
    rows = json.loads(run(folder, "plugins", "list", "--json").stdout)
    lines = run(folder, "plugins", "list").stdout.decode().splitlines()
    assert lines[0].split() == ["NAME", "KIND", "DISTRIBUTION", "VERSION", "USED", "WHAT", "IT", "IS"]
    assert len(lines) == len(rows) + 1
    assert rows[0].keys() == {"name", "kind", "distribution", "version", "used", "summary", "broken"}
    used = {(row["kind"], row["name"]) for row in rows if row["used"]}
    assert used == {
        *(("source", "Disk"), ("cache", "Disk"), ("cache", "Memory"), ("engine", "VIPS"), ("quality", "dither")),
    }
    for row, line in zip(rows, lines[1:], strict=True):
        assert line.startswith(row["name"])
        assert line.endswith(row["summary"])


def test_plugins_list_helps_to_mend_a_config_that_names_what_is_missing(folder: Path) -> None:
    config = config_file(folder, '{"images": {"source": {"name": "Dsik"}}}')
    done = run(folder, "plugins", "list", "-c", config)
    assert done.returncode == 3
    assert "did you mean Disk?" in sentence(done)
    assert b"Disk" in done.stdout


# The command line itself


def test_help_answers_at_once_and_imports_no_plugin(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "iiifkit.cli", "--help"], cwd=folder, capture_output=True, text=True
    )
    imported = set(re.findall(r"\| +([\w.]+)$", done.stderr, re.M))
    assert "click" in imported
    heavy = {"pyvips", "PIL", "numpy", "starlette", "uvicorn", "msgspec", "pluggy", "urllib3", "rich", "asyncio"}
    assert not {name.partition(".")[0] for name in imported} & heavy
    assert not {name for name in imported if name.startswith("iiifkit.")} - {"iiifkit.cli", "iiifkit.errors"}
    assert "Exit codes:" in done.stdout


def test_help_takes_a_fifth_of_a_second(folder: Path) -> None:
    """Of processor time, in the best of five runs: the machine may be busy."""
    assert min(seconds_of(folder, "--help") for _ in range(5)) < 0.2


def seconds_of(folder: Path, *arguments: str) -> float:
    before = os.times()
    run(folder, *arguments)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


COMMANDS = [[], ["serve"], ["tile-seed"], ["transform"], ["dump-config"], ["plugins"], ["plugins", "list"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(folder: Path, command: list[str]) -> None:
    done = run(folder, *command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(b"Usage: iiifkit")
    assert done.stderr == b""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["bogus"],
        ["--bogus"],
        ["transform"],
        ["transform", "in.png"],
        ["transform", "in.png", "out.png", "more"],
        ["transform", "in.png", "out.png", "--bogus"],
        ["transform", "in.png", "out.png", "--size"],
        ["serve", "--port", "99999"],
        ["serve", "--port", "http"],
        ["serve", "--workers", "0"],
        ["serve", "in.png"],
        ["serve", "folder", "folder"],
        ["dump-config", "extra"],
        ["dump-config", "-c", "folder"],
        ["plugins"],
        ["plugins", "bogus"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_told(folder: Path, arguments: list[str]) -> None:
    done = run(folder, *arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.startswith((b"Usage: iiifkit", b"Error: "))
    assert b"Traceback" not in done.stderr


CONFIGS = {
    "missing": None,
    "empty": "",
    "no JSON": "{",
    "a list": "[]",
    "binary": "\udcff\udcfe\x00",
    "unknown key": '{"server": {"prot": 1}}',
    "unknown block": '{"sever": {}}',
    "wrong type": '{"server": {"port": "http"}}',
    "out of range": '{"server": {"port": -1}}',
    "twice": '{"server": {}, "server": {}}',
    "deep": '{"a":' * 5000 + "1" + "}" * 5000,
    "huge number": '{"server": {"port": 1' + "0" * 5000 + "}}",
    "no number": '{"limits": {"deadline": NaN}}',
    "missing plugin": '{"images": {"source": {"name": "S4", "path": "bucket"}}}',
    "missing quality": '{"features": {"append": {"quality": {"x": {"syntax": "x", "required": false, '
    '"supported": true, "match": "^x$"}}}}}',
    "bad match": '{"features": {"append": {"quality": {"dither": {"syntax": "x", "required": false, '
    '"supported": true, "match": "("}}}}}',
    "unset variable": '{"server": {"host": {"$env": "IIIFKIT_TEST_IS_NOT_SET"}}}',
    "escapes": '{"\\u001b[31m\\n": 1}',
    "surrogate": '{"\\ud800": 1}',
    "newer go-iiif": '{"images": {"source": {"uri": "file:///photos"}}}',
}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda name: name.replace(" ", "-"))
def test_a_wrong_config_is_one_line(folder: Path, config: str) -> None:
    text = CONFIGS[config]
    if text is not None:
        (folder / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    done = run(folder, "dump-config", "--config", "config.json")
    assert done.returncode == 3
    assert sentence(done).isprintable()
    assert str(folder) not in sentence(done)


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["transform", "in.png", "out.png"], ["plugins", "list"]])
def test_every_command_tells_a_wrong_config(folder: Path, command: list[str]) -> None:
    done = run(folder, *command, "--config", config_file(folder, '{"server": {"prot": 1}}'))
    assert done.returncode == 3
    assert sentence(done) == "server.prot: unknown key; did you mean port?"


# serve


def test_the_example_config_serves_the_example(folder: Path) -> None:
    """What a fresh checkout offers: ``iiifkit serve --config config.example.json --example``."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--config", str(ROOT / "config.example.json"), "--example", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "user-cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = [process.stderr.readline() for _ in range(6)]
        port = re.findall(r":(\d+)/iiif/3/example.jpg/info.json$", "".join(said), re.M)[0]
        document = read_json(f"http://127.0.0.1:{port}/iiif/3/example.jpg/info.json")
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[1]
    assert document["id"] == f"http://127.0.0.1:{port}/iiif/3/example.jpg"
    assert document["width"] == 4608
    assert "Traceback" not in rest


def test_a_port_that_is_taken_is_told(folder: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run(folder, "serve", "folder", "--host", "127.0.0.1", "--port", port)
    assert done.returncode == 3
    assert sentence(done).startswith(f"The server cannot listen on 127.0.0.1, port {port}: ")


def test_a_missing_folder_is_told(folder: Path) -> None:
    done = run(folder, "serve", "missing", "--port", "0")
    assert done.returncode == 3
    assert sentence(done).startswith("images.source.path: There is no folder 'missing'.")


def test_an_interrupt_ends_a_transform(folder: Path) -> None:
    """It waits for standard input; nothing is left behind."""
    process = subprocess.Popen(
        [*COMMAND, "transform", "-", "out.png"], cwd=folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert not (folder / "out.png").exists()
