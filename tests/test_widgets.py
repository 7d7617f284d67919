"""Quiz and explorer: what they keep, say and refuse; and both driven in JupyterLab by keyboard."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import cv2
import nbformat
import numpy as np
import pytest

from course_utils import datasets, quiz, settings, video, widgets


@pytest.fixture(scope="module")
def two_clips(tmp_path_factory):
    """A set of one REAL and one FAKE quiz clip, taken from the set in the box."""
    folder = tmp_path_factory.mktemp("quiz")
    metadata = json.loads((settings.MINI_DFDC / "metadata.json").read_text())
    kept = {}
    for label in ("REAL", "FAKE"):
        name = next(n for n, m in metadata.items() if m["quiz"] and m["label"] == label)
        kept[name] = {**metadata[name], "original": None}
        (folder / name).write_bytes((settings.MINI_DFDC / name).read_bytes())
    (folder / "metadata.json").write_text(json.dumps(kept))
    return folder


def real_clip():
    """A REAL clip that is not in the quiz, as it was filmed (nearly lossless)."""
    labels = datasets.read(settings.MINI_DFDC)[0].set_index("clip")["label"]
    paths = sorted((settings.MINI_DFDC / "near_lossless").glob("*.mp4"))
    return next(path for path in paths if labels[path.name] == "REAL")


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory):
    """The first 36 frames of a real clip, with their sound."""
    path = tmp_path_factory.mktemp("clip") / "short.mp4"
    frames = [frame.rgb for frame in video.frames(real_clip(), every=1)][:36]
    samples, rate = video.sound(real_clip())
    return video.write(path, frames, 12, (samples[: 3 * rate], rate)) or path


@pytest.fixture(scope="module")
def explored(short_clip):
    return widgets.Explorer(short_clip)


@pytest.fixture
def explorer(explored):
    explored.turn({})
    return explored


def pixels(explorer) -> tuple[np.ndarray, np.ndarray]:
    """The explorer's picture, its left and its right half."""
    picture = cv2.imdecode(np.frombuffer(explorer.picture.value, np.uint8), 1).astype(int)
    return picture[:, : widgets.SIDE], picture[:, -widgets.SIDE :]


# The quiz -----------------------------------------------------------------------------------------


def give(panel, says="fake", sure=0.8, cues=()):
    panel.says.value, panel.sure.value = says, sure
    for cue in cues:
        panel.cues[cue].value = True
    panel.next.click()


def text_of(panel) -> str:
    """Everything a panel shows as text."""
    inside = [text_of(child) for child in getattr(panel, "children", ())]
    return " ".join([str(getattr(panel, "value", ""))[:20000], *inside])


def test_an_answer_is_kept_the_moment_it_is_given(two_clips, tmp_path):
    panel = widgets.Quiz(tmp_path / "me.csv", two_clips)
    first = panel.clip
    assert panel.video.value == (two_clips / first).read_bytes()
    give(panel, cues=["teeth"])
    [row] = quiz.answers(tmp_path / "me.csv", folder=two_clips).to_dict("records")
    assert (row["clip"], row["says"], row["p_fake"], row["cues"]) == (first, "FAKE", 0.8, "teeth")
    assert panel.clip != first and panel.says.value is panel.sure.value is None
    assert not any(box.value for box in panel.cues.values())


def test_nothing_is_given_away_before_the_end(two_clips, tmp_path):
    panel = widgets.Quiz(tmp_path / "me.csv", two_clips)
    give(panel)
    assert "right" not in text_of(panel) and "2 of 2" in panel.title.value
    give(panel)
    said = text_of(panel)
    for part in ("You were right on 1 of 2", "95% interval", "a coin", "Diel", "no yardstick",
                 "Sensitivity", "Bias", "Calibration", "you named it there", "FAKE ("):  # fmt: skip
        assert part in said, part


def test_a_missing_choice_is_asked_for(two_clips, tmp_path):
    panel = widgets.Quiz(tmp_path / "me.csv", two_clips)
    panel.next.click()
    assert "Choose real or fake first" in panel.message.value
    panel.says.value = "real"
    panel.next.click()
    assert "Choose how sure you are first" in panel.message.value
    assert not (tmp_path / "me.csv").exists()


def test_stopped_half_way_it_goes_on(two_clips, tmp_path):
    give(widgets.Quiz(tmp_path / "me.csv", two_clips))
    again = widgets.Quiz(tmp_path / "me.csv", two_clips)
    assert "2 of 2" in again.title.value and "1 answers are kept" in again.message.value
    give(again)
    assert "You were right on" in text_of(widgets.Quiz(tmp_path / "me.csv", two_clips))


def test_a_full_disk_costs_no_answer(two_clips, tmp_path, monkeypatch):
    panel, save = widgets.Quiz(tmp_path / "me.csv", two_clips), quiz.save

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quiz, "save", full)
    first = panel.clip
    give(panel)
    assert "No space left on device" in panel.message.value
    assert panel.clip == first and panel.says.value == "fake"
    monkeypatch.setattr(quiz, "save", save)
    panel.next.click()
    assert len(quiz.saved(tmp_path / "me.csv")) == 1


def test_stored_as_one_short_line(two_clips, tmp_path, explorer):
    for panel in (widgets.Quiz(tmp_path / "me.csv", two_clips), explorer):
        assert repr(panel).endswith(".") and len(repr(panel)) < 100


# The explorer -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cue", ["skin_tone", "light", "fine_detail", "edge_flicker"])
def test_a_dial_moves_the_right_picture_and_the_value(explorer, cue):
    left, right = pixels(explorer)
    value = explorer.values[cue].value
    assert np.array_equal(left, right)
    explorer.dials[cue].value = 0.8
    same, changed = pixels(explorer)
    assert np.array_equal(left, same)
    assert np.abs(changed - right).max() > 10
    assert explorer.values[cue].value != value and "→" in explorer.values[cue].value


def test_higher_dials_give_higher_values(explorer):
    def value(cue):
        return float(explorer.values[cue].value.split("<b>")[1].split("<")[0])

    for cue in ("skin_tone", "fine_detail"):
        seen = []
        for dial in (0, 0.5, 1.0):
            explorer.turn({cue: dial})
            seen.append(value(cue))
        assert seen[0] < seen[1] < seen[2]


def test_the_lip_sync_dial_moves_sound_and_curve_not_the_picture(explorer):
    left, curves = pixels(explorer)[1], explorer.curves.value
    before = explorer.values["lip_sync"].value
    explorer.dials["lip_sync"].value = 1.0
    assert np.array_equal(pixels(explorer)[1], left)
    assert explorer.curves.value != curves and "<svg" in curves
    assert explorer.values["lip_sync"].value != before


def test_a_cue_that_cannot_be_measured_says_why(explorer):
    assert explorer.values["iris"].value.startswith("not measurable: too small to measure")


def test_another_frame_and_back_to_nothing(explorer):
    explorer.turn({"light": 0.8})
    left = pixels(explorer)[0]
    explorer.frame.value = next(f for f in explorer.frame.options if f != explorer.frame.value)
    assert not np.array_equal(pixels(explorer)[0], left)
    explorer.reset.click()
    assert all(dial.value == 0 for dial in explorer.dials.values())
    assert np.array_equal(*pixels(explorer))


def test_the_whole_clip_is_played_and_measured_as_a_file(explorer, tmp_path):
    explorer.turn({"skin_tone": 0.9})
    explorer.play.click()
    assert explorer.progress.value == 1
    (tmp_path / "made.mp4").write_bytes(explorer.video.value)
    facts = video.facts(tmp_path / "made.mp4")
    assert facts["audio"] and facts["frames"] == len(explorer.track.frames)
    assert all(cue in explorer.result.value for cue in quiz.CUES)


def test_a_still_picture_has_dials_of_pictures(short_clip, tmp_path):
    rgb = next(video.frames(short_clip, count=1)).rgb
    cv2.imwrite(str(tmp_path / "one.png"), rgb[..., ::-1])
    panel = widgets.Explorer(tmp_path / "one.png")
    panel.turn({"skin_tone": 1.0})
    assert "→" in panel.values["skin_tone"].value
    for cue in ("lip_sync", "glasses", "edge_flicker"):
        assert "not measurable" in panel.values[cue].value
    panel.play.click()
    assert "skin_tone" in panel.result.value


def test_what_cannot_be_used_is_said(tmp_path):
    assert "there is no such file" in text_of(widgets.Explorer(tmp_path / "gone.mp4"))
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200, 3), 120, np.uint8))
    assert "no face is found" in text_of(widgets.Explorer(tmp_path / "wall.png"))


def test_on_colab_it_declines_in_a_sentence_and_shows_pictures(short_clip, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    said, sheet = widgets.Explorer(short_clip).children
    assert "Colab forbids creating deepfakes" in said.value
    picture = cv2.imdecode(np.frombuffer(sheet.value, np.uint8), 1)
    assert picture is not None and picture.shape[1] > 600


# In JupyterLab ------------------------------------------------------------------------------------

QUIZ_CELL = """\
from course_utils import widgets
widgets.Quiz("me.csv", {folder!r})"""
EXPLORER_CELL = """\
from course_utils import widgets
widgets.Explorer({clip!r})"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory, two_clips, short_clip):
    """JupyterLab in a folder with a notebook for each widget: (its address, the folder)."""
    folder = tmp_path_factory.mktemp("lab")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, source in [
        ("quiz", QUIZ_CELL.format(folder=str(two_clips))),
        ("explorer", EXPLORER_CELL.format(clip=str(short_clip))),
    ]:
        cells = [nbformat.v4.new_code_cell(source)]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
        nbformat.write(notebook, folder / f"{name}.ipynb")
    config = folder / ".config"
    wishes = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    wishes.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (wishes / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "--no-browser",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.allow_root=True",
        "--IdentityProvider.token=",
        f"--LabServerApp.workspaces_dir={config / 'workspaces'}",
    ]
    home = {
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTERLAB_SETTINGS_DIR": str(config / "lab" / "user-settings"),
        "JUPYTER_RUNTIME_DIR": str(config / "runtime"),
        "IPYTHONDIR": str(config / "ipython"),
    }
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options, str(folder)],
            env={**os.environ, **home}, cwd=folder, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api", timeout=5)
                break
            assert server.poll() is None, (folder / "lab.log").read_text()
            time.sleep(0.5)
        yield address, folder
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


@pytest.fixture
def opened(lab, browser):
    """Function: opens a notebook, runs its cell by keyboard, waits for what it shows."""
    address, folder = lab
    pages = []

    def run(name: str, until: str):
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        pages.append(page)
        page.set_default_timeout(300_000)
        page.goto(f"{address}/doc/tree/{name}.ipynb")
        page.wait_for_selector(".jp-Notebook .cm-content")
        page.wait_for_selector("text=(ipykernel) | Idle")
        page.click(".jp-Notebook .cm-content")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(until)
        return page, folder

    yield run
    for page in pages:
        page.close()


def tab_to(page, selector: str, text: str = "", limit: int = 90) -> None:
    """Press Tab until what has the focus matches a selector and has a text."""
    here = """([s, t]) => document.activeElement?.matches(s)
        && (document.activeElement.innerText ?? '').includes(t)"""
    for _ in range(limit):
        if page.evaluate(here, [selector, text]):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {selector} {text} by Tab")


def press(page, selector: str, text: str = "") -> None:
    """Go to a control by Tab and press it with the space bar."""
    tab_to(page, selector, text)
    page.keyboard.press("Space")


def test_quiz_in_jupyterlab_by_keyboard_alone(opened, two_clips):
    page, folder = opened("quiz", "video")
    for number in (1, 2):
        page.wait_for_selector(f"text=Clip {number} of 2")
        page.wait_for_function("document.querySelector('video').readyState >= 2")
        press(page, "video")
        page.wait_for_function("document.querySelector('video').currentTime > 0.3")
        press(page, "button", "fake")
        press(page, "button", "80%")
        press(page, "input[type=checkbox]")
        press(page, "button", "Save and go on")
        for _ in range(600):
            if len(quiz.saved(folder / "me.csv")) == number:
                break
            page.wait_for_timeout(100)
    page.wait_for_selector("text=You were right on 1 of 2")
    given = quiz.answers(folder / "me.csv", folder=two_clips)
    assert given["says"].tolist() == ["FAKE", "FAKE"] and given["p_fake"].tolist() == [0.8, 0.8]
    assert (given["cues"] == "lip_sync").all() and (given["seconds"] > 0.3).all()


READ_PICTURE = """() => {
    const image = document.querySelector('img.widget-image, .jupyter-widgets.widget-image');
    const canvas = document.createElement('canvas');
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const half = canvas.width >> 1;
    const data = x => [...context.getImageData(x, 0, half, canvas.height).data];
    const sum = x => data(x).reduce((a, b) => a + b);
    return [sum(0), sum(half)];
}"""


def test_explorer_in_jupyterlab_by_keyboard_alone(opened):
    page, _ = opened("explorer", "img.widget-image")
    page.wait_for_function("document.querySelector('img.widget-image').naturalWidth > 300")
    left, right = page.evaluate(READ_PICTURE)
    row = page.locator(".widget-hbox", has_text="skin tone").last
    before = row.inner_text()
    for _ in range(30):
        tab_to(page, ".noUi-handle, .ui-slider-handle")
        inside = "document.activeElement.closest('.widget-hbox')?.innerText ?? ''"
        if "skin tone" in page.evaluate(inside):
            break
        page.keyboard.press("Tab")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    for _ in range(600):
        same, changed = page.evaluate(READ_PICTURE)
        if changed != right and row.inner_text() != before:
            break
        page.wait_for_timeout(100)
    assert same == left and changed != right
    assert "→" in row.inner_text() and row.inner_text() != before
    press(page, "button", "Play and measure the whole clip")
    page.wait_for_selector("text=measure of the whole clip")
    press(page, "video")
    page.wait_for_function("document.querySelector('video').currentTime > 0.3")
