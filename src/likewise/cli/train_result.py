"""What ``likewise train`` prints at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from likewise.cli.output import bad_images_json, note, print_bad_images, print_json, print_profile

if TYPE_CHECKING:
    from likewise.training.result import TrainingResult

__all__ = ["print_result"]


def print_result(result: TrainingResult, again: str, *, profile: int, as_json: bool) -> None:
    """Print the outcome of a run; ``again`` is the command that continues it."""
    from likewise.evaluation.intervals.auc_estimate import auc_text
    from likewise.training.validation import ENOUGH

    interval, auc = result.validation_interval, result.measure == "AUC"
    labelled = result.validation_people > 0  # else the network is compared with its teacher
    if as_json:
        print_json(
            {
                "folder": str(result.folder),
                "model": str(result.model) if result.model.exists() else None,
                "finished": result.finished,
                "epochs": result.epochs,
                "steps": result.steps,
                "identities": result.identities,
                "images": result.images,
                "validation_auc": result.validation if auc else None,
                "validation_auc_low": interval.low if auc and interval is not None else None,
                "validation_auc_high": interval.high if auc and interval is not None else None,
                "validation_teacher": None if auc or labelled else result.validation,
                "validation_metric": result.measure,
                "validation": result.validation,
                "validation_low": None if interval is None else interval.low,
                "validation_high": None if interval is None else interval.high,
                "validation_people": result.validation_people,
                "baselines": [one.to_dict() for one in result.baselines],
                "start": result.start.to_dict() if result.start is not None else None,
                "bad_images": bad_images_json(result.bad_images),
                "profile": result.profile.to_dict() if result.profile is not None else None,
            }
        )
        return
    print_bad_images(result.bad_images)
    if result.profile is not None:
        print_profile(result.profile)
    elif profile:
        note("the run was too short to profile: three warm-up steps come before --profile")
    if not result.finished:
        note(f"stopped after {result.epochs} complete epochs; continue with:")
        note(f"  {again}")
    else:
        typer.echo(f"trained on {result.images:,} photos of {result.identities:,} identities")
        if result.validation is not None:
            people = f" on {result.validation_people:,} unseen identities"
            own = f"{result.validation:.4f}"
            if not labelled:
                people = " on unseen photos"
            elif interval is not None:
                own = auc_text(interval)
            others = "".join(f"; {one}" for one in result.baselines)
            typer.echo(f"validation {result.measure}{people}: {own}{others}")
            if labelled and result.validation_people < ENOUGH:
                typer.echo(
                    f"{result.validation_people} identities are too few for sure thresholds: "
                    "calibrate the model on others, with likewise calibrate, or hold out more "
                    f"(--val-identities {ENOUGH})"
                )
        else:
            typer.echo(
                "nobody was held out, so the model was compared with nothing (--val-identities)"
            )
        for line in result.start.lines() if result.start is not None else ():
            typer.echo(line)
        typer.echo(f"model: {result.model}")
        typer.echo(f"next:  likewise evaluate TEST_PHOTOS --model {result.model} --out report")
