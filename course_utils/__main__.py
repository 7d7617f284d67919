"""The course's commands: `python -m course_utils --help` lists them."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 1 when it says why not."""
    parser = argparse.ArgumentParser(
        prog="python -m course_utils", description="The deepfake detection course's commands."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (_add_check, _add_fetch, _add_extract, _add_train, _add_judge):
        add(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (OSError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def _add(commands, run, does: str, example: str) -> argparse.ArgumentParser:
    """A command named after the function `run`, with a line of help and an example."""
    parser = commands.add_parser(
        run.__name__.strip("_"),
        help=does,
        description=f"{does[0].upper()}{does[1:]}.",
        epilog=f"example: python -m course_utils {example}",
    )
    parser.set_defaults(run=run)
    return parser


# ------------------------------------------------------------------------------------ check


def _add_check(commands) -> None:
    _add(commands, _check, "say whether this machine is ready for the course", "check")


def _check(_: argparse.Namespace) -> int:
    from course_utils import readiness

    failed = 0
    for status, text in readiness.checks():
        print(f"{status:5} {text}", flush=True)
        failed += status == "fail"
    print("This machine is ready." if not failed else "Not ready: mend what is marked fail.")
    return 1 if failed else 0


# ------------------------------------------------------------------------------------ fetch


def _add_fetch(commands) -> None:
    _add(commands, _fetch, "download published weights to the cache (or to COURSE_CACHE)", "fetch")


def _fetch(_: argparse.Namespace) -> int:
    from course_utils import models, settings

    published = [partial(settings.weights, name) for name in settings.WEIGHTS]
    imagenet = [partial(models.imagenet_file, name) for name in settings.IMAGENET]
    failed = 0
    for find in (*published, *imagenet):
        try:
            print(f"ok    {find()}", flush=True)
        except (RuntimeError, ValueError) as error:
            failed += 1
            print(f"fail  {error}", flush=True)
    return 1 if failed else 0


# ---------------------------------------------------------------------------------- extract


def _add_extract(commands) -> None:
    does = "find the faces of every clip in a folder and cut them out; again, to resume"
    parser = _add(commands, _extract, does, "extract data/mini_dfdc work/faces --frames 20")
    parser.add_argument("folder", metavar="FOLDER", help="clips: DFDC, real/fake folders, or any")
    parser.add_argument("out", metavar="OUT", help="gets crops.csv, skipped.csv, clips.csv, crops/")
    parser.add_argument("--frames", type=int, default=10, help="sampled from each clip (10)")
    parser.add_argument("--jobs", type=int, help="clips at a time (one for each core)")
    parser.add_argument("--detector", choices=["hog", "cnn"], default="hog", help="cnn is slow")


def _extract(options: argparse.Namespace) -> int:
    from course_utils.extraction import extract

    start = time.monotonic()
    crops, skipped = extract(
        options.folder, options.out, options.frames, options.jobs, options.detector
    )
    seconds = time.monotonic() - start
    blank = skipped["frame"].notna().sum()
    clips = set(crops["clip"]) | set(skipped["clip"])
    frames = crops[["clip", "frame"]].drop_duplicates().shape[0] + blank
    unused = clips - set(crops["clip"])
    print(
        f"{len(clips)} clips, {frames} frames, {len(crops)} crops, "
        f"{blank} frames without a face, {len(unused)} clips skipped, {seconds:.1f} s"
    )
    return 0


# ------------------------------------------------------------------------------------ train


def _add_train(commands) -> None:
    does = "train a detector on crops; again, to resume"
    parser = _add(
        commands, _train, does, "train work/faces work/run1 --model meso4 --image-size 128"
    )
    _training_options(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=int, help="stop after so many epochs without a gain")
    parser.add_argument("--plain", action="store_true", help="without augmentation")

    does = "score every crop by models that did not train on its group, for several seeds"
    example = "cross_validate work/faces work/cv --seeds 10 --image-size 128"
    parser = _add(commands, _cross_validate, does, example)
    _training_options(parser)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--jobs", type=int, help="models trained at once (one a core; on a GPU, 1)")

    does = "store finished runs that differ in their seed as one in data/runs"
    parser = _add(commands, _record, does, "record meso4-grouped work/seed0 work/seed1")
    parser.add_argument("name", metavar="NAME", help="of the folder in data/runs")
    parser.add_argument("runs", metavar="RUN_FOLDER", nargs="+", help="what `train` wrote")

    does = "train the course's own backbone on another task than REAL or FAKE"
    example = "backbone work/faces data/mini_dfdc --targets skin_tone light"
    parser = _add(commands, _backbone, does, example)
    parser.add_argument("crops", metavar="CROPS_FOLDER", help="what `extract` wrote")
    parser.add_argument("clips", metavar="FOLDER", help="its clips, whose metadata has the targets")
    parser.add_argument("--targets", nargs="+", required=True, help="columns: words or numbers")
    parser.add_argument("--epochs", type=int, default=40)

    does = "train the course's backbone frozen, fine-tuned or from random weights, ten seeds"
    example = "transfer work/faces data/runs/course-backbone-frozen --way frozen"
    parser = _add(commands, _transfer, does, example)
    parser.add_argument("crops", metavar="CROPS_FOLDER", help="what `extract` wrote")
    parser.add_argument("out", metavar="RUN_FOLDER", help="gets history.csv, scores.csv, run.json")
    ways = ["frozen", "fine-tuned", "random", "random-frozen"]
    parser.add_argument("--way", choices=ways, required=True)
    parser.add_argument("--image-size", type=int, default=96, help="pixels a side (96)")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=10)

    does = "measure how many crops a second a network learns from, with and without float16"
    parser = _add(commands, _throughput, does, "throughput data/runs/gpu-rates --batch 64")
    parser.add_argument("out", metavar="RUN_FOLDER", help="gets rates.csv and run.json")
    parser.add_argument("--model", default="inception_resnet_v2")
    parser.add_argument("--image-size", type=int, help="pixels a side (the model's own)")
    parser.add_argument("--batch", type=int, default=32)


def _training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("crops", metavar="CROPS_FOLDER", help="what `extract` wrote")
    parser.add_argument("out", metavar="RUN_FOLDER", help="gets scores.csv, run.json and the rest")
    parser.add_argument("--model", default="meso4")
    parser.add_argument("--weights", default="random", help="random, imagenet, published or a file")
    parser.add_argument("--split", choices=["grouped", "random"], default="grouped")
    parser.add_argument("--image-size", type=int, help="pixels a side (the model's own)")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=32)


def _train(options: argparse.Namespace) -> int:
    from course_utils import training

    history = training.train(
        options.crops,
        options.out,
        options.model,
        options.weights,
        options.split,
        options.image_size,
        options.epochs,
        options.batch,
        options.seed,
        options.patience,
        not options.plain,
        training.command_line(),
    )
    best = history.iloc[history["val_loss"].argmin()]
    print(
        f"Best of {len(history)} epochs: {best['epoch']:.0f}, validation loss "
        f"{best['val_loss']:.3f} (chance .693), AUC over crops {best['val_auc']:.2f}."
    )
    return 0


def _cross_validate(options: argparse.Namespace) -> int:
    from course_utils import training

    scores = training.run_cross_validation(
        options.crops,
        options.out,
        options.model,
        options.weights,
        options.split,
        options.image_size,
        options.epochs,
        options.batch,
        options.seeds,
        options.folds,
        options.jobs,
        training.command_line(),
    )
    print(f"{len(scores)} scores of {scores['crop'].nunique()} crops in {options.out}/scores.csv.")
    return 0


def _transfer(options: argparse.Namespace) -> int:
    from course_utils import training

    scores = training.run_transfer(
        options.crops,
        options.out,
        options.way,
        options.image_size,
        options.epochs,
        options.batch,
        options.seeds,
        training.command_line(),
    )
    print(f"{len(scores)} scores of {scores['crop'].nunique()} crops in {options.out}/scores.csv.")
    return 0


def _record(options: argparse.Namespace) -> int:
    from course_utils import training

    run = training.record(options.runs, options.name)
    count = len(run.about["commands"])
    print(f"{count} runs, {len(run.scores)} scores in data/runs/{options.name}")
    return 0


def _backbone(options: argparse.Namespace) -> int:
    from pathlib import Path

    from course_utils import datasets, settings, training

    crops = training.split_crops(training.read_table(Path(options.crops)))
    known = datasets.details(options.clips)
    crops = crops.merge(known[["clip", *(set(known) - set(crops))]], on="clip", how="left")
    out = settings.MODELS / "course_backbone.weights.h5"
    command = training.command_line()
    told = training.train_backbone(
        crops, options.crops, options.targets, out, options.epochs, command=command
    )
    print(told.to_string(index=False))
    return 0


def _throughput(options: argparse.Namespace) -> int:
    from course_utils import settings, training

    rates = training.throughput(
        options.out,
        options.model,
        options.image_size,
        options.batch,
        command=training.command_line(),
    )
    print(f"Images a second on {settings.device()}:")
    print(rates.round(1).to_string(index=False))
    return 0


# ------------------------------------------------------------------------------------ judge


def _add_judge(commands) -> None:
    does = "say of videos whether they are real or fake, or why that cannot be told"
    parser = _add(commands, _judge, does, "judge holiday.mp4 --annotate work/judged")
    parser.add_argument("videos", metavar="VIDEO", nargs="+", help="a video or a picture")
    parser.add_argument("--model", metavar="PATH", help="a run (your newest, else the course's)")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--annotate", metavar="FOLDER", help="gets videos with box and score")

    does = "make a detector of a run: what `judge` needs to know how far to trust its scores"
    parser = _add(commands, _export, does, "export work/run1 work/faces")
    parser.add_argument("run_folder", metavar="RUN_FOLDER", help="what `train` wrote")
    parser.add_argument("crops", metavar="CROPS_FOLDER", help="what it was trained on")
    parser.add_argument("out", metavar="OUT", nargs="?", help="another folder to write it to")

    does = "count what detectors refuse to tell: of their test clips, and of other footage"
    example = "refusals work/faces work/other work/refusals.csv work/run1 work/run2"
    parser = _add(commands, _refusals, does, example)
    parser.add_argument("crops", metavar="CROPS_FOLDER", help="what they were trained on")
    parser.add_argument("other", metavar="OTHER_CROPS", help="what `extract` made of other footage")
    parser.add_argument("out", metavar="OUT.csv", help="gets a row a detector and clip")
    parser.add_argument("runs", metavar="RUN_FOLDER", nargs="+", help="what `export` wrote")

    does = "record whether a detector's heatmaps show what was manipulated in the course's clips"
    parser = _add(commands, _truth, does, "truth data/models/detector data/runs/heatmaps.csv")
    parser.add_argument("detector", metavar="DETECTOR", help="what `export` wrote")
    parser.add_argument("out", metavar="OUT.csv", help="gets a row a crop")


def _judge(options: argparse.Namespace) -> int:
    from course_utils import judging

    return judging.command(options.videos, options.model, options.json, options.annotate)


def _export(options: argparse.Namespace) -> int:
    from course_utils import judging

    judging.export_run(options.run_folder, options.crops, options.out)
    print(f"wrote {options.out or options.run_folder}: read CARD.md in it")
    return 0


def _refusals(options: argparse.Namespace) -> int:
    from course_utils import evaluation, judging, training

    told = judging.refusals(
        options.runs, options.crops, options.other, options.out, training.command_line()
    )
    refused = told["reason"].eq(evaluation.UNLIKE)
    print(refused.groupby([told["run"], told["footage"]]).agg(refused="sum", clips="size"))
    return 0


def _truth(options: argparse.Namespace) -> int:
    from course_utils import training, truth

    table = truth.record(options.detector, options.out, command=training.command_line())
    for (shifted, method), some in table.groupby(["shifted", "method"]):
        where = "off-center" if shifted else "centered"
        for first, second in truth.COMPARED:
            if some[[first, second]].isna().all(axis=None):
                continue  # centered crops are not repaired
            print(f"{method} {where}: {first} - {second} = {truth.paired(some, first, second)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
