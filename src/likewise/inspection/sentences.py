"""An inspection in plain words: the terminal and the page say the same."""

from __future__ import annotations

from typing import Any

__all__ = ["rows_of", "sentences"]


def sentences(values: dict[str, Any]) -> list[str]:
    """The inspection in some sentences.

    Args:
        values: of ``record``.
    """
    each = values["photos_per_identity"]
    lines = [
        f"{values['photos']:,} photos of {values['identities']:,} identities, from "
        f"{each['least']:,} to {each['most']:,} of each (median {each['median']:g}); "
        f"{len(values['broken']):,} cannot be read."
    ]
    counts = values["duplicates"]["counts"]
    lines.append(
        f"Doubles within identities: {counts['within_identities']:,}, where one photo is enough; "
        f"across identities: {counts['across_identities']:,}, where one label is wrong."
    )
    ability = values["ability"]
    if ability is not None and not ability["sufficient"]:
        lines.append(
            f"This model cannot judge this set: two photos of one identity score above two of "
            f"different ones with chance {_auc(ability)}, and about {ability['expected']:.0%} of "
            "right labels would look like strangers. Labels were not judged, and no doubles looked "
            "for by embedding; take a better model."
        )
    labels = values["labels"]
    if labels is not None:
        if labels["noise"] is not None:
            noise = labels["noise"]
            lines.append(
                f"About {noise['rate']:.2%} of labels are wrong (95 % interval {noise['low']:.2%} "
                f"to {noise['high']:.2%}), if every right label is more like its person than "
                f"{1 - noise['error']:.0%} of strangers are."
            )
        lines.append(
            f"Labels more likely wrong than right: {_likely(labels):,}. Pairs of names that look "
            f"like one person: {len(labels['same_person']):,} (of which about "
            f"{values['settings']['share_false']:.0%} may be two). Names that look like two "
            f"people: {len(labels['two_people']):,}."
        )
    overlap = values["overlap"]
    if overlap is not None:
        against = values["against"]
        lines.append(
            f"{overlap['identities']:,} of the {against['identities']:,} identities of "
            f"{against['data']} look like somebody here; of those that are not here, about "
            f"{overlap['false_alarms']:.0%} would be named by chance."
        )
    return lines


def rows_of(values: dict[str, Any]) -> list[tuple[str, str]]:
    """The inspection as a table of two columns.

    Args:
        values: of ``record``.
    """
    each, counts = values["photos_per_identity"], values["duplicates"]["counts"]
    side = values["shorter_side"]
    rows = [
        ("photos", f"{values['photos']:,}"),
        ("identities", f"{values['identities']:,}"),
        (
            "photos of an identity",
            f"{each['least']:,} to {each['most']:,}, median {each['median']:g}",
        ),
        ("bytes", f"{values['bytes'] / 1e6:,.1f} MB"),
        ("formats", _counted(values["formats"])),
        ("colours", _counted(values["colours"])),
        (
            "shorter side",
            "–" if side is None else f"{side['least']} to {side['most']}, median {side['median']}",
        ),
        ("cannot be read", f"{len(values['broken']):,}"),
        ("doubles, same pixels", f"{counts['exact']:,}"),
        ("doubles, same picture", f"{counts['near']:,}"),
    ]
    if values["duplicates"]["embedding_threshold"] is not None:
        rows.append(
            (
                f"doubles by embedding, cosine ≥ {values['duplicates']['embedding_threshold']:.3f} "
                f"and pixels ≥ {values['duplicates']['embedding_pixels']:.2f}",
                f"{counts['embedding']:,}",
            )
        )
    rows += [
        ("doubles within identities", f"{counts['within_identities']:,}"),
        ("doubles across identities", f"{counts['across_identities']:,}"),
    ]
    if values["splits"] is not None:
        rows.append(("doubles across splits", f"{counts['across_splits']:,}"))
        rows += [
            (f"identities in {name}", f"{count:,}")
            for name, count in values["splits"]["shared_identities"].items()
        ]
    if values["ability"] is not None:
        rows.append(("AUC of this model on these labels", _auc(values["ability"])))
    labels = values["labels"]
    if labels is not None:
        if labels["noise"] is not None:
            noise = labels["noise"]
            rows.append(
                ("wrong labels", f"{noise['rate']:.2%} ({noise['low']:.2%} to {noise['high']:.2%})")
            )
        rows += [
            ("labels more likely wrong than right", f"{_likely(labels):,}"),
            ("pairs of names that look like one person", f"{len(labels['same_person']):,}"),
            ("names that look like two people", f"{len(labels['two_people']):,}"),
        ]
    if values["against"] is not None:
        other = values["against"]["data"]
        rows.append((f"doubles with {other}", f"{counts['between_sets']:,}"))
        if values["overlap"] is not None:
            rows.append(
                (f"identities of {other} found here", f"{values['overlap']['identities']:,}")
            )
    return rows


def _auc(ability: dict[str, Any]) -> str:
    auc = ability["auc"]
    return f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f}; 0.5 is guessing)"


def _likely(labels: dict[str, Any]) -> int:
    return sum(doubt["probability"] >= 0.5 for doubt in labels["mislabels"])


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "–"
