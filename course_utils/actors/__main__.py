"""Build what is in the box: ``python -m course_utils.actors --help``."""

from __future__ import annotations

import argparse
from pathlib import Path

from course_utils import settings


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.actors",
        description="Films the virtual actors and forges their fakes. Needs OpenCV 5.",
    )
    commands = parser.add_subparsers(dest="command", required=True)

    build = commands.add_parser("build", help="the set of clips, resumable")
    build.add_argument("out", type=Path, nargs="?", default=settings.MINI_DFDC)
    build.add_argument("--jobs", type=int, default=2, help="casts filmed at a time (default 2)")
    build.add_argument("--casts", type=int, help="a smaller set of so many casts")

    probes = commands.add_parser("probes", help="pairs of clips that differ in one cue")
    probes.add_argument("out", type=Path)
    probes.add_argument("--cues", nargs="+", default=None, help="only these cues")
    probes.add_argument("--jobs", type=int, default=2)

    landmarks = commands.add_parser("landmarks", help="the landmark model")
    landmarks.add_argument("out", type=Path, nargs="?", default=settings.MODELS / "landmarks.dat")

    audit = commands.add_parser("audit", help="check a built set for shortcuts")
    audit.add_argument("folder", type=Path, nargs="?", default=settings.MINI_DFDC)

    args = parser.parse_args()
    if args.command == "build":
        from .build import build as run

        run(args.out, jobs=args.jobs, casts=args.casts)
    elif args.command == "probes":
        from .build import CUES
        from .build import probes as run_probes

        run_probes(args.out, args.cues or CUES, jobs=args.jobs)
    elif args.command == "landmarks":
        from .landmarks import train

        train(args.out)
    elif args.command == "audit":
        from .audit import audit as run_audit

        for name, table in run_audit(args.folder).items():
            print(f"\n{name}\n{table.round(3).to_string(index=False)}")


if __name__ == "__main__":
    main()
