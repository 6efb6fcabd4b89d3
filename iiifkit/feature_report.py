"""What the specification and a config say of each feature: the table of ``dump-config``."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from .image_api.feature_set import FeatureSet
from .image_api.features import PARAMETERS, TABLE

SPECIFICATION = "http://iiif.io/api/image/2.1/index.html"


@dataclass(frozen=True, slots=True)
class Row:
    """One feature. ``required`` and ``supported`` are said by the specification (2.1, level 2) and by the config."""

    parameter: str
    feature: str
    syntax: str
    match: str
    required_by_specification: bool
    supported_by_specification: bool
    required_by_config: bool
    supported_by_config: bool


def rows(features: FeatureSet) -> list[Row]:
    """Return all features, by parameter in the specification's order, then by name."""
    made = []
    standard = set()
    for feature in TABLE:
        if feature.parameter not in PARAMETERS:
            continue
        key = (feature.parameter, feature.name)
        standard.add(key)
        own = features.appended.get(key)
        required = feature.level2 is not None and feature.level2 <= 2
        made.append(
            Row(
                *key,
                own.syntax if own else feature.syntax,
                own.match if own else f"^(?:{feature.match})$",
                required,
                feature.level2 is not None,
                own.required if own else required,
                key in features.offered,
            )
        )
    for key, own in features.appended.items():
        if key not in standard:
            made.append(Row(*key, own.syntax, own.match, False, False, own.required, key in features.offered))
    return sorted(made, key=lambda row: (PARAMETERS.index(row.parameter), row.feature))


def as_json(features: FeatureSet) -> list[dict[str, object]]:
    """Return the rows as plain dictionaries."""
    return [asdict(row) for row in rows(features)]


def as_markdown(features: FeatureSet) -> str:
    """Return go-iiif's table: a heading and a table for each parameter, true in green, false in red."""
    return "\n".join(_lines(rows(features))) + "\n"


def _lines(table: list[Row]) -> Iterator[str]:
    for parameter in PARAMETERS:
        yield f"\n##### [{parameter}]({SPECIFICATION}#{parameter})"
        yield (
            "| feature | syntax | required (spec) | supported (spec) | required (config) | supported (config) |\n"
            "|---|---|---|---|---|---|"
        )
        for row in (row for row in table if row.parameter == parameter):
            cells = [
                f"**{row.feature}**",
                row.syntax.replace("|", "\\|"),
                _mark(row.required_by_specification),
                _mark(row.supported_by_specification),
                _mark(row.required_by_config, bold=True),
                _mark(row.supported_by_config, bold=True),
            ]
            yield f"| {' | '.join(cells)} |"


def _mark(value: bool, bold: bool = False) -> str:
    word = str(value).lower()
    color = "green" if value else "red"
    return f'<span style="color:{color};">{f"**{word}**" if bold and value else word}</span>'
