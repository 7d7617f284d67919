"""The interfaces of the lessons, in ipywidgets (7.7 as on Colab, or 8): quiz and artifact explorer.

Nothing is computed here: answers and what they say are :mod:`quiz`'s, dials :mod:`forgery`'s,
measures :mod:`cues`'. All of it works by keyboard: Tab from control to control, Space to press,
arrows to slide.
"""

from __future__ import annotations

import html
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd

from course_utils import quiz
from course_utils.settings import DATA, MINI_DFDC

DIALS_SHEET = DATA / "beforehand" / "dials.jpg"  # what the explorer shows where it must not forge


class _Panel(widgets.VBox):
    """A box that prints as one short line, which is what a stored notebook keeps of it."""

    _line = ""

    def __repr__(self) -> str:
        return self._line


def _say(text: str) -> str:
    """A message that a screen reader reads out when it changes."""
    return f'<div role="status" aria-live="polite" style="line-height:1.4">{text}</div>'


def _table(rows: Iterable[Iterable[Any]], head: Iterable[str]) -> str:
    """An HTML table; cells are escaped."""
    cells = [[html.escape(str(cell)) for cell in row] for row in rows]
    style = 'style="text-align:left; padding:1px 12px 1px 0"'
    top = "".join(f"<th scope='col' {style}>{html.escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td {style}>{c}</td>' for c in row)}</tr>" for row in cells)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


# The quiz ----------------------------------------------------------------------------------------

_SURE = [(f"{percent}%", percent / 100) for percent in range(50, 101, 10)]


class Quiz(_Panel):
    """Real or fake? Clips one after the other, and what the answers say when all are given.

    Each answer is written to `answers` at once; a quiz that was stopped goes on behind it.
    """

    def __init__(self, answers: str | Path = quiz.FILE, folder: str | Path = MINI_DFDC) -> None:
        self.path, self.folder = Path(answers), Path(folder)
        self.clips = quiz.clips(folder)
        self.video = widgets.Video(format="mp4", autoplay=False, loop=False, controls=True)
        self.video.layout.width = "100%"
        # buttons: JupyterLab keeps the arrow keys for itself, and radio buttons need them
        self.says = widgets.ToggleButtons(options=["real", "fake"], value=None)
        self.sure = widgets.ToggleButtons(options=_SURE, value=None)
        self.says.style.button_width, self.sure.style.button_width = "80px", "62px"
        self.cues = {
            cue: widgets.Checkbox(value=False, description=words, indent=False)
            for cue, words in quiz.CUES.items()
        }
        self.next = widgets.Button(description="Save and go on", button_style="primary")
        self.next.on_click(lambda _: self._answer())
        self.title, self.message = widgets.HTML(), widgets.HTML()
        asked = [
            widgets.HTML("<b>This is</b>"),
            self.says,
            widgets.HTML("<b>How sure are you?</b> 50% is a guess."),
            self.sure,
            widgets.HTML("<b>What made you think so?</b> None, one or several."),
            *self.cues.values(),
            self.next,
        ]
        self._form = widgets.HBox(
            [
                widgets.VBox([self.video], layout=widgets.Layout(width="360px")),
                widgets.VBox(asked, layout=widgets.Layout(margin="0 0 0 16px")),
            ],
            layout=widgets.Layout(flex_flow="row wrap"),
        )
        for box in self.cues.values():
            box.layout.width, box.layout.margin = "auto", "0"
        super().__init__()
        self._go_on(first=True)

    @property
    def left(self) -> list[str]:
        """The clips that are still to be answered."""
        done = set(quiz.saved(self.path)["clip"])
        return [clip for clip in self.clips["clip"] if clip not in done]

    def _go_on(self, first: bool = False) -> None:
        left, n = self.left, len(self.clips)
        done = n - len(left)
        self._line = f"A quiz of {n} clips: run this cell to take it."
        if not left:
            self.children = [widgets.HTML(feedback(self.path, self.folder))]
            return
        self.clip = left[0]
        self.title.value = f"<b>Clip {done + 1} of {n}</b>"
        if first and done:
            self.message.value = _say(f"{done} answers are kept; the quiz goes on behind them.")
        self.video.value = (self.folder / self.clip).read_bytes()
        self.says.value = self.sure.value = None
        for box in self.cues.values():
            box.value = False
        self.children = [self.title, self._form, self.message]
        self._shown = time.monotonic()

    def _answer(self) -> None:
        """Keep the answer and show the next clip; say what is missing."""
        if self.says.value is None or self.sure.value is None:
            what = "real or fake" if self.says.value is None else "how sure you are"
            self.message.value = _say(f"Choose {what} first.")
            return
        named = [cue for cue, box in self.cues.items() if box.value]
        seconds = time.monotonic() - self._shown
        try:
            quiz.save(
                self.path, self.clip, self.says.value.upper(), self.sure.value, seconds, named
            )
        except OSError as error:
            self.message.value = _say(
                f"This answer could not be written to {html.escape(self.path.name)} "
                f"({html.escape(str(error.strerror))}): make room, then press the button again."
            )
            return
        self.message.value = _say(f"Saved in {html.escape(self.path.name)}.")
        self._go_on()


def feedback(path: str | Path, folder: str | Path = MINI_DFDC) -> str:
    """What one person's answers say, as HTML: shown when the quiz is over."""
    table = quiz.answers(path, folder=folder)
    told = quiz.sensitivity(table["label"], table["says"])
    right = int((table["says"] == table["label"]).sum())
    return _say(
        f"<h3>You were right on {right} of {len(table)} clips</h3>"
        + _beside_others(quiz.accuracy(table))
        + "<p>The published figures are no yardstick: other people watched other clips, made by "
        "neural networks. These clips have artifacts that we chose.</p>"
        f"<p><b>Sensitivity</b> d' = {told.d_prime:.1f} (0: real and fake look alike to you; 2: "
        f"about five in six right). <b>Bias</b> c = {told.bias:+.1f}: {_leaning(told.bias)}. You "
        f"called {told.hits:.0%} of the fakes and {told.false_alarms:.0%} of the real clips "
        f"fake.</p><p><b>Calibration</b>: {_calibrated(table)}</p>"
        + _confidence(quiz.confidence(table))
        + "<p><b>Cues</b>: what was there, and what you named.</p>"
        + _cues(quiz.cues_seen(table, folder))
        + "<p><b>Clip by clip</b></p>"
        + _clip_by_clip(quiz.clips(folder).merge(table[["clip", "says", "p_fake"]], on="clip"))
    )


def _beside_others(share: quiz.Interval) -> str:
    rows = {
        "you, these clips": (share.value, share.low, share.high),
        "a coin": (quiz.COIN, None, None),
        **quiz.PUBLISHED,
    }
    cells = [
        (who, f"{value:.0%}", "" if low is None else f"{low:.0%} to {high:.0%}")
        for who, (value, low, high) in rows.items()
    ]
    return _table(cells, ["who", "right", "95% interval"])


def _confidence(known: pd.DataFrame) -> str:
    rows = [(f"{row.Index:.0%}", row.answers, f"{row.right:.0%}") for row in known.itertuples()]
    return _table(rows, ["you were sure", "answers", "right"])


def _cues(seen: pd.DataFrame) -> str:
    rows = [(quiz.CUES[cue], *counts) for cue, *counts in seen.reset_index().to_numpy()]
    head = ["cue", "clips that show it", "you named it there", "you named it where it is not"]
    return _table(rows, head)


def _clip_by_clip(truth: pd.DataFrame) -> str:
    rows = []
    for number, row in enumerate(truth.to_dict("records"), 1):
        dials = [words for c, words in quiz.CUES.items() if row[f"cue_{c}"] >= quiz.VISIBLE]
        made = f"FAKE ({row['method']})" if row["label"] == "FAKE" else "REAL"
        mark = "right" if row["says"] == row["label"] else "wrong"
        rows.append((number, made, f"{row['p_fake']:.0%} fake: {mark}", "; ".join(dials)))
    return _table(rows, ["clip", "truth", "you said", "what could be seen"])


def _leaning(bias: float) -> str:
    if abs(bias) < 0.25:
        return "you lean neither way"
    return f'you lean towards "{"real" if bias > 0 else "fake"}"'


def _calibrated(table: pd.DataFrame) -> str:
    sure = float(table["p_fake"].sub(0.5).abs().add(0.5).mean())
    right = float((table["says"] == table["label"]).mean())
    if sure > right + 0.1:
        verdict = "you were surer than you were right"
    elif sure < right - 0.1:
        verdict = "you were right more often than you thought"
    else:
        verdict = "the two fit"
    return f"on average you were {sure:.0%} sure and {right:.0%} right; {verdict}."


# The explorer ------------------------------------------------------------------------------------

SIDE = 330  # of each of the two pictures, in pixels
WINDOW = 9  # frames around the one shown, for the cues that need motion


class Explorer(_Panel):
    """A clip and a dial for each cue: picture and measured values change together.

    Left the frame untouched, right with the dials; below each dial's measure, on this frame (those
    of motion on nine frames around it, lip-sync on the whole clip). The button plays and measures
    the whole clip as a file of its own. Declines on Colab, and shows pictures made beforehand.
    """

    def __init__(self, clip: str | Path, seed: int = 1) -> None:
        super().__init__()
        from course_utils import forgery

        self._line = "The artifact explorer: run this cell to turn its dials."
        try:
            forgery.refuse_on_colab()
        except RuntimeError as why:
            sheet = widgets.Image(value=DIALS_SHEET.read_bytes(), format="jpeg")
            sheet.layout.width, self._line = "100%", str(why)
            self.children = [widgets.HTML(_say(html.escape(str(why)))), sheet]
            return
        from course_utils import cues, video

        self.message = widgets.HTML()
        self.children = [self.message]
        try:
            self.track = cues.follow(clip)
        except video.Unreadable as why:
            self.message.value = _say(f"{html.escape(Path(clip).name)} cannot be used: {why}.")
            return
        if not len(self.track.indices):
            reason = cues.skin_tone(self.track).reason
            self.message.value = _say(f"{html.escape(Path(clip).name)} cannot be used: {reason}.")
            return
        self.seed = seed
        self._made: dict[tuple, np.ndarray] = {}
        self._untouched: dict[int, dict] = {}  # the measures of frames without any dial
        self._build()
        self.update()

    def _build(self) -> None:
        slider = {"continuous_update": True, "style": {"description_width": "90px"}}
        wide = widgets.Layout(width="340px", margin="0")
        indices = [int(i) for i in self.track.indices]
        self.frame = widgets.SelectionSlider(
            options=indices,
            value=opening_frame(self.track),
            description="frame",
            layout=wide,
            **slider,
        )
        self.dials = {
            cue: widgets.FloatSlider(
                value=0, min=0, max=1, step=0.1, readout_format=".1f",
                description=cue.replace("_", " "), layout=wide, **slider,
            )
            for cue in quiz.CUES
        }  # fmt: skip
        self.values = {cue: widgets.HTML() for cue in self.dials}
        for control in (self.frame, *self.dials.values()):
            control.observe(lambda _: self.update(), names="value")
        self.picture = widgets.Image(format="png")
        self.picture.layout.width, self.picture.layout.max_width = f"{2 * SIDE + 8}px", "100%"
        self.curves = widgets.HTML()
        self.reset = widgets.Button(description="All dials to 0")
        self.reset.on_click(lambda _: self.turn({}))
        self.play = widgets.Button(description="Play and measure the whole clip")
        self.play.layout.width = "260px"
        self.play.on_click(lambda _: self.whole_clip())
        self.progress = widgets.FloatProgress(value=0, min=0, max=1)
        self.video = widgets.Video(format="mp4", autoplay=False, loop=True, controls=True)
        self.video.layout.width = f"{SIDE}px"
        self.result = widgets.HTML()
        rows = [widgets.HBox([dial, self.values[cue]]) for cue, dial in self.dials.items()]
        self._clip_box = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap"))
        self.children = [
            widgets.HTML("<b>Left: the clip's frame. Right: the same with your dials.</b>"),
            self.picture,
            self.frame,
            *rows,
            self.curves,
            widgets.HBox([self.reset, self.play, self.progress]),
            self._clip_box,
            self.message,
        ]

    def turn(self, strengths: dict[str, float]) -> None:
        """Set all dials at once; those not named go to 0."""
        self._quiet = True
        for cue, dial in self.dials.items():
            dial.value = strengths.get(cue, 0.0)
        self._quiet = False
        self.update()

    _quiet = False

    def update(self) -> None:
        """Show frame and values for the dials as they stand."""
        if self._quiet:
            return
        strengths = {cue: dial.value for cue, dial in self.dials.items() if dial.value > 0}
        index = self.frame.value
        self.picture.value = _png(self._pair(index, strengths))
        self.curves.value = self._curves(strengths)
        if index not in self._untouched:
            self._untouched[index] = self._measured({}, index)
        for cue, found in self._measured(strengths, index).items():
            self.values[cue].value = _change(self._untouched[index][cue], found)

    def _frame(self, index: int, strengths: dict[str, float]) -> np.ndarray:
        """A frame with the dials applied; the last ones made are kept."""
        from course_utils import forgery

        rgb, points = self.track.frames[index], self.track.points[index]
        if not self.track.measurable[index]:
            return rgb
        key = (index, *sorted(strengths.items()))
        if key not in self._made:
            while len(self._made) >= 4 * WINDOW:
                self._made.pop(next(iter(self._made)))
            mask = forgery.face_mask(points, rgb.shape, 0.3)
            done = forgery.turn_dials(rgb, points, mask, strengths, self.seed, index)
            self._made[key] = done
        return self._made[key]

    def _pair(self, index: int, strengths: dict[str, float]) -> np.ndarray:
        from course_utils import faces

        box = faces.box_around(np.median(self.track.points[self.track.indices], axis=0))
        images = (self.track.frames[index], self._frame(index, strengths))
        left, right = (faces.crop(rgb, box, margin=0.4, size=SIDE) for rgb in images)
        return np.hstack([left, np.full((SIDE, 8, 3), 255, np.uint8), right])

    def _sound(self, strengths: dict[str, float]) -> tuple[np.ndarray, int] | None:
        """The sound moved against the picture, as the lip_sync dial says."""
        from course_utils.actors.fakes import LAG_S

        if self.track.sound is None:
            return None
        samples, rate = self.track.sound
        late = round(LAG_S * strengths.get("lip_sync", 0) * rate)
        return np.concatenate([samples[late:], np.zeros(late, samples.dtype)]), rate

    def _measured(self, strengths: dict[str, float], index: int) -> dict:
        """Every cue's measure for the dials: of this frame, of those around it, or of the clip."""
        from course_utils import cues

        def part(first: int, last: int, fps: float) -> cues.Track:
            track, span = self.track, range(first, last)
            frames = np.stack([self._frame(i, strengths) for i in span])
            return cues.Track(
                frames, track.points[first:last], track.fit[first:last], track.yaw[first:last], fps
            )

        one = part(index, index + 1, float("nan"))
        first = max(0, min(index - WINDOW // 2, len(self.track.frames) - WINDOW))
        around = part(first, min(first + WINDOW, len(self.track.frames)), self.track.fps)
        t = self.track
        whole = cues.Track(t.frames, t.points, t.fit, t.yaw, t.fps, self._sound(strengths))
        where = {"lip_sync": whole, "glasses": around, "edge_flicker": around}
        return {cue: function(where.get(cue, one)) for cue, function in cues.MEASURES.items()}

    def _curves(self, strengths: dict[str, float]) -> str:
        """Mouth opening and loudness over the clip, both band-passed, as a drawing."""
        from course_utils import cues

        sound, track = self._sound(strengths), self.track
        if sound is None or not np.isfinite(track.fps) or len(track.indices) < 12:
            return ""
        n = len(track.frames)
        mouth = np.interp(np.arange(n), track.indices, cues.mouth_opening(track)[track.indices])
        voice = cues.loudness(*sound, np.arange(n) / track.fps, 1 / track.fps)
        lines = []
        for signal, look in ((mouth, "#0072B2"), (voice, '#D55E00" stroke-dasharray="5 3')):
            y = cues.band_pass(signal, track.fps)
            y = 35 - 12 * y / max(float(y.std()), 1e-6)
            dots = " ".join(f"{660 * k / (n - 1):.0f},{v:.0f}" for k, v in enumerate(y))
            lines.append(f'<polyline points="{dots}" fill="none" stroke="{look}"/>')
        return (
            '<svg width="660" height="70" role="img" aria-label="mouth opening and loudness over '
            f'time">{"".join(lines)}</svg><br>solid: how far the mouth is open; dashed: how loud '
            "the sound is (both 2 to 7 Hz)"
        )

    def whole_clip(self) -> None:
        """Write the clip with its dials as a file, play it, and measure that file."""
        from course_utils import cues, video

        strengths = {cue: dial.value for cue, dial in self.dials.items() if dial.value > 0}
        n = len(self.track.frames)
        made = np.stack([self._frame(i, strengths) for i in range(n)])
        with tempfile.TemporaryDirectory() as folder:
            if n == 1:
                path = Path(folder) / "picture.png"
                path.write_bytes(_png(made[0]))
            else:
                path = Path(folder) / "clip.mp4"
                video.write(path, made, self.track.fps, self._sound(strengths))
                self.video.value = path.read_bytes()
                self._clip_box.children = [self.video]
            found = cues.measure(path, self._show_progress)
        rows = [
            (row.cue, f"{strengths.get(row.cue, 0):.1f}", _number(row.value, row.reason))
            for row in found.itertuples()
        ]
        self.result.value = _say(_table(rows, ["cue", "dial", "measure of the whole clip"]))
        self._clip_box.children = [self.video, self.result] if n > 1 else [self.result]

    def _show_progress(self, share: float, what: str) -> None:
        self.progress.value = share
        self.message.value = "" if share >= 1 else f"{html.escape(what)} ..."


def opening_frame(track: Any) -> int:
    """The frame of a `cues.Track` to look at: the mouth open, to see teeth, the head not turned."""
    from course_utils import cues

    seen = track.indices
    opening, yaw = cues.mouth_opening(track)[seen], np.abs(track.yaw[seen])
    return int(seen[np.argmax(opening - 0.02 * yaw)])


def _number(value: float, reason: str) -> str:
    return f"not measurable: {reason}" if np.isnan(value) else f"{value:.2f}"


def _change(before: Any, found: Any) -> str:
    if np.isnan(found.value):
        return html.escape(_number(*found))
    start = "not measurable" if np.isnan(before.value) else f"{before.value:.2f}"
    return f"{start} → <b>{found.value:.2f}</b>"


def _png(rgb: np.ndarray) -> bytes:
    import cv2

    ok, data = cv2.imencode(".png", rgb[..., ::-1])
    if not ok:
        raise ValueError(f"A picture of shape {rgb.shape} cannot be coded as PNG.")
    return data.tobytes()
