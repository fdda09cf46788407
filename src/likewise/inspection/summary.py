"""The summary of an inspection, as sentences and as a table, for the terminal and the page."""

from __future__ import annotations

from typing import Any

__all__ = ["summary_lines", "summary_table"]


def summary_lines(values: dict[str, Any]) -> list[str]:
    """The inspection in a few sentences.

    Args:
        values: of ``record``.
    """
    each = values["photos_per_identity"]
    lines = [
        f"{values['photos']:,} photos of {values['identities']:,} identities, "
        f"{each['least']:,} to {each['most']:,} per identity (median {each['median']:g}); "
        f"{len(values['broken']):,} cannot be read."
    ]
    counts = values["duplicates"]["counts"]
    lines.append(
        f"Duplicates within an identity: {counts['within_identities']:,}; across identities, where "
        f"at least one label is wrong: {counts['across_identities']:,}."
    )
    ability = values["ability"]
    if ability is not None and not ability["sufficient"]:
        lines.append(
            f"This model is too weak for this set: its verification AUC is {_auc(ability)}, and "
            f"about {ability['expected']:.0%} of correct labels would look wrong. Labels were not "
            "checked, and there was no search for duplicates by embedding; use a better model."
        )
    labels = values["labels"]
    if labels is not None:
        if labels["noise"] is not None:
            noise = labels["noise"]
            lines.append(
                f"About {noise['rate']:.2%} of labels are wrong (95 % confidence interval "
                f"{noise['low']:.2%} to {noise['high']:.2%}). This assumes that every correctly "
                f"labeled photo is more similar to its identity than {1 - noise['error']:.0%} of "
                "impostors are."
            )
        lines.append(
            f"Photos more likely mislabeled than not: {_likely(labels):,}. Pairs of identities "
            f"that look like one person: {len(labels['same_person']):,} (false discovery rate "
            f"{values['settings']['share_false']:.0%}). Identities that look like two people: "
            f"{len(labels['two_people']):,}."
        )
    overlap = values["overlap"]
    if overlap is not None:
        against = values["against"]
        lines.append(
            f"{overlap['identities']:,} of the {against['identities']:,} identities of "
            f"{against['data']} match an identity of this set; of those that are not in this set, "
            f"about {overlap['false_alarms']:.0%} match by chance."
        )
    return lines


def summary_table(values: dict[str, Any]) -> list[tuple[str, str]]:
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
            "photos per identity",
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
        ("exact duplicates", f"{counts['exact']:,}"),
        ("near-duplicates", f"{counts['near']:,}"),
    ]
    if values["duplicates"]["embedding_threshold"] is not None:
        rows.append(
            (
                "duplicates by embedding, cosine ≥ "
                f"{values['duplicates']['embedding_threshold']:.3f} and correlation of pixels ≥ "
                f"{values['duplicates']['embedding_pixels']:.2f}",
                f"{counts['embedding']:,}",
            )
        )
    rows += [
        ("duplicates within an identity", f"{counts['within_identities']:,}"),
        ("duplicates across identities", f"{counts['across_identities']:,}"),
    ]
    if values["splits"] is not None:
        rows.append(("duplicates across splits", f"{counts['across_splits']:,}"))
        rows += [
            (f"identities in {name}", f"{count:,}")
            for name, count in values["splits"]["shared_identities"].items()
        ]
    if values["ability"] is not None:
        rows.append(("verification AUC of this model", _auc(values["ability"])))
    labels = values["labels"]
    if labels is not None:
        if labels["noise"] is not None:
            noise = labels["noise"]
            rows.append(
                ("wrong labels", f"{noise['rate']:.2%} ({noise['low']:.2%} to {noise['high']:.2%})")
            )
        rows += [
            ("photos more likely mislabeled than not", f"{_likely(labels):,}"),
            ("pairs of identities that look like one person", f"{len(labels['same_person']):,}"),
            ("identities that look like two people", f"{len(labels['two_people']):,}"),
        ]
    if values["against"] is not None:
        other = values["against"]["data"]
        rows.append((f"duplicates of photos of {other}", f"{counts['between_sets']:,}"))
        if values["overlap"] is not None:
            rows.append(
                (f"identities of {other} found in this set", f"{values['overlap']['identities']:,}")
            )
    return rows


def _auc(ability: dict[str, Any]) -> str:
    auc = ability["auc"]
    return f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f}; 0.5 is chance)"


def _likely(labels: dict[str, Any]) -> int:
    return sum(doubt["probability"] >= 0.5 for doubt in labels["mislabels"])


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "–"
