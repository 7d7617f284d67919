"""Make the course's environment, then open the lessons or run the tests. Needs nothing but Python.

    python3 bootstrap.py lab        the environment, and JupyterLab on lesson 00
    python3 bootstrap.py test       the environment, and every check `make test` stands for
    python3 bootstrap.py test-all   the same with what takes long
    python3 bootstrap.py slides     the environment, and slides/html/*.html
    python3 bootstrap.py lessons    run the notebooks again and store their outputs
    python3 bootstrap.py install    the environment alone

On Windows write `py` instead of `python3`. Names after `lessons` or `slides` choose some, as `03`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "course-stamp"
SUPPORTED = [(3, 11), (3, 12), (3, 13)]  # what TensorFlow has releases for
DISK_GB = 5


def main():
    command, names = (sys.argv[1:2] or ["help"])[0], sys.argv[2:]
    if command not in ("install", "lab", "test", "test-all", "slides", "lessons"):
        print(__doc__)
        return 0 if command in ("help", "-h", "--help") else 2
    check_python()
    if command in ("test", "test-all", "slides"):
        check_node()
    if command.startswith("test") and not find_browser():
        stop(
            "The tests need Chromium or Chrome: install it (Debian, Ubuntu: "
            "`sudo apt install chromium`) or name it in the variable CHROMIUM."
        )
    make_environment()
    if command == "lab":
        run(PYTHON, "-m", "course_utils", "check")
        say("Opening JupyterLab on lesson 00; stop it with Ctrl+C.")
        run(PYTHON, "-m", "jupyter", "lab", "notebooks/00_start_here.ipynb")
    elif command == "slides":
        install_marp()
        run(PYTHON, "slides/decks.py", *names)
    elif command == "lessons":
        run(PYTHON, "-m", "course_utils.lessons", *names)
    elif command.startswith("test"):
        test(everything=command == "test-all")
    return 0


def test(everything):
    """Lint, types, then one pytest over unit tests, lessons, exercises and the browser."""
    install_marp()
    say("Lint and types")
    run(PYTHON, "-m", "ruff", "check", ".")
    run(PYTHON, "-m", "mypy")
    say("Tests and lessons")
    marks = [] if everything else ["-m", "not slow"]
    jobs = ["-n", "2", "--dist", "loadfile"]
    run(PYTHON, "-m", "pytest", *jobs, *marks, "--nbval", "--nbval-current-env",
        "--durations=10", "tests", "notebooks")  # fmt: skip


def check_python():
    """Go on with a Python that TensorFlow supports, handing over to another one where needed."""
    if sys.version_info[:2] not in SUPPORTED:
        for major, minor in SUPPORTED[::-1]:
            other = shutil.which(f"python{major}.{minor}")
            if other:
                say(f"{python_name()} does not suit TensorFlow; going on with {other}")
                sys.exit(subprocess.call([other, *sys.argv]))
        stop(
            f"This is {python_name()}, and TensorFlow needs Python 3.11, 3.12 or 3.13: install "
            "one of them and run this again with it (`make lab PYTHON=/path/to/python3.12`)."
        )
    if sys.maxsize < 2**32:
        stop("This Python is a 32-bit one: install the 64-bit one of the same version.")
    if sys.platform == "darwin" and os.uname().machine == "x86_64":
        stop(
            "TensorFlow no longer has releases for Intel Macs (or this is an Intel Python on "
            "Apple silicon: install the native one): use Colab or Binder, see README.md."
        )


def python_name():
    return "Python {}.{}".format(*sys.version_info)


def make_environment():
    """Make .venv as requirements.txt says; nothing to do when it is already so."""
    files = b"".join((ROOT / name).read_bytes() for name in ("requirements.txt", "pyproject.toml"))
    wanted = hashlib.sha256(files + sys.version.encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted and works(PYTHON):
        return
    try:
        import ensurepip  # noqa: F401  (Debian keeps it in a package of its own)
        import venv  # noqa: F401
    except ImportError:
        stop(
            "This Python cannot make environments: install its venv module (Debian, Ubuntu: "
            "`sudo apt install python3-venv`) and run this again."
        )
    free = shutil.disk_usage(str(ROOT)).free / 1e9
    if free < DISK_GB and not VENV.exists():
        stop(
            f"The environment takes up to {DISK_GB} GB and this disk has {free:.1f} GB left: "
            "make room, or move the course's folder to another disk."
        )
    say(f"1 of 3: the environment .venv, with {python_name()}")
    if STAMP.exists():
        STAMP.unlink()
    clear = [] if works(PYTHON) else ["--clear"]
    run(sys.executable, "-m", "venv", *clear, str(VENV))
    say("2 of 3: the packages, about 1 GB to fetch the first time")
    check_network()
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check"]
    hint = (
        "pip could not install the packages (its own words stand above): run the same command "
        "again, it goes on with what it has; if that fails too, delete the folder .venv first."
    )
    run(*pip, "--only-binary", ":all:", "-r", "requirements.txt", hint=hint)
    say("3 of 3: the course's own package")
    run(*pip, "--quiet", "--no-deps", "--no-build-isolation", "-e", ".", hint=hint)
    STAMP.write_text(wanted)


def works(python):
    """Whether `python` starts and is of this Python's version."""
    try:
        version = subprocess.check_output([str(python), "-c", "import sys; print(sys.version)"])
    except (OSError, subprocess.CalledProcessError):
        return False
    return version.decode().strip().split() == sys.version.split()


def check_network():
    """Stop with one sentence when pip reaches no package: its own errors fill a screen."""
    with tempfile.TemporaryDirectory() as folder:
        probe = [str(PYTHON), "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet"]
        probe += ["--retries", "1", "--timeout", "20", "-d", folder, "six"]
        if subprocess.call(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            stop(
                "pip reaches no package: check the network (or proxy), or point PIP_NO_INDEX=1 "
                "and PIP_FIND_LINKS at a folder of wheels, as README.md says for classrooms."
            )


def check_node():
    if not (shutil.which("node") and shutil.which("npm")):
        stop(
            "The slides are built with Node.js: install it with npm, version 18 or newer "
            "(Debian, Ubuntu: `sudo apt install nodejs npm`), and run this again."
        )


def install_marp():
    """Install what package-lock.json pins, once."""
    lock, done = ROOT / "package-lock.json", ROOT / "node_modules" / ".package-lock.json"
    if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
        say("Marp, for the slides")
        run(shutil.which("npm"), "ci", "--no-progress",
            hint="npm could not install Marp: check the network and run this again.")  # fmt: skip
        done.touch()


def find_browser():
    """Path of Chromium or Chrome: $CHROMIUM, the search path, or the usual places; else None."""
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
    places = [
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    ]
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, names), *places]
    return next((path for path in found if path and os.path.exists(path)), None)


def run(*command, hint=None):
    """Run a command in the repository; end with its exit status, and a hint, when it fails."""
    try:
        status = subprocess.call([str(part) for part in command], cwd=str(ROOT))
    except KeyboardInterrupt:
        status = 130
    if status:
        if hint:
            say(hint)
        sys.exit(status)


def say(sentence):
    print("\n" + sentence, flush=True)


def stop(sentence):
    sys.exit("\n" + sentence)


if __name__ == "__main__":
    sys.exit(main())
