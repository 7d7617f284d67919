"""From files to verdicts: every file gets an answer or a reason, and no answer claims too much."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from course_utils import evaluation, faces, judging, models, settings, video

SIZE = 32


def small_model(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    image = keras.Input((SIZE, SIZE, 3), name="rgb")
    x = keras.layers.Rescaling(1 / 255)(image)
    for filters in (4, 6):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    x = keras.layers.Dense(2, activation="softmax", name="real_fake")(x)
    return keras.Model(image, x, name="small-random")


def made_scores(clips: int = 24) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    y = np.arange(clips) % 2
    p = np.clip(0.5 + 0.25 * (2 * y - 1) + rng.normal(0, 0.2, clips), 0.02, 0.98)
    return pd.DataFrame(
        {
            "clip": [f"v{i}.mp4" for i in range(clips)],
            "frame": 0,
            "person": 0,
            "label": np.array(["REAL", "FAKE"])[y],
            "group": [f"g{i // 4}" for i in range(clips)],
            "method": None,
            "split": "validation",
            "p_fake": p,
        }
    )


def features(images: np.ndarray, name: str) -> pd.DataFrame:
    made = judging.crop_statistics(images)
    return judging.clip_features(made, [f"{name}{i}.mp4" for i in range(len(made))])


@pytest.fixture(scope="module")
def near(scene, tmp_path_factory):
    """Crops like those of the films, brighter and darker: every second frame is searched."""
    rng = np.random.default_rng(0)
    light = rng.uniform(0.85, 1.15, 80)
    pictures = [
        np.clip(scene((200 + 4 * (i % 12), 90, 160)) * light[i], 0, 255).astype(np.uint8)
        for i in range(80)
    ]
    path = tmp_path_factory.mktemp("near") / "near.mp4"
    video.write(path, pictures, 12)
    made = []
    for frame in video.frames(path, every=1):
        if frame.index % 2 == 0:
            box = np.array(faces.detect(frame.rgb)[0].box)
        made.append(models.resize(faces.crop(frame.rgb, box + rng.integers(-4, 5)), SIZE))
    return np.stack(made)


def exported(folder: Path, near: np.ndarray, **options) -> judging.Detector:
    model = small_model()
    options = {"data": "drawn faces: 40 clips", "practice": False, **options}
    judging.export(
        folder,
        model,
        made_scores(),
        features(near[:40], "t"),
        features(near[40:], "v"),
        **options,
    )
    return judging.load(folder)


@pytest.fixture(scope="module")
def detector(tmp_path_factory, near):
    return exported(tmp_path_factory.mktemp("detector"), near)


@pytest.fixture(scope="module")
def practice(tmp_path_factory, near):
    return exported(
        tmp_path_factory.mktemp("practice"), near, practice=True, data="the course's virtual actors"
    )


# --- the folder


def test_detector_folder_says_what_it_is(detector, near):
    names = {path.name for path in detector.folder.iterdir()}
    assert names == {"model.keras", "card.json", "CARD.md", "outliers.npz"}
    card = json.loads((detector.folder / "card.json").read_text())
    scores = made_scores()
    assert card["trained_on"] == "drawn faces: 40 clips" and card["practice"] is False
    assert card["aggregation"] in evaluation.AGGREGATIONS
    assert card["temperature"] == pytest.approx(
        evaluation.fit_temperature(scores["label"], scores["p_fake"])
    )
    assert card["band"]["error_rate"] == 0.1 and 0 <= card["band"]["low"] <= card["band"]["high"]
    assert card["training_clips"][0] == "t0.mp4" and len(card["training_clips"]) == 40
    np.testing.assert_allclose(
        models.predict(detector.model, near[:3]), models.predict(small_model(), near[:3]), atol=1e-6
    )
    text = (detector.folder / "CARD.md").read_text()
    assert "drawn faces" in text and "AUC" in text and str(detector.folder) not in text


def test_optimizer_is_not_shipped(tmp_path, near):
    model = small_model()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(near[:8].astype("float32"), np.arange(8) % 2, verbose=0)
    model.save(tmp_path / "whole.keras")
    judging.export(
        tmp_path / "out",
        model,
        made_scores(),
        features(near[:40], "t"),
        features(near[40:], "v"),
        "x",
        False,
    )
    sizes = [p.stat().st_size for p in (tmp_path / "out" / "model.keras", tmp_path / "whole.keras")]
    assert sizes[0] < sizes[1]
    assert not keras.saving.load_model(tmp_path / "out" / "model.keras").compiled


def test_maximum_is_not_chosen_where_it_is_best(tmp_path, near):
    made = made_scores()
    low = made.assign(frame=1, p_fake=np.where(made["label"] == "FAKE", 0.05, made["p_fake"]))
    scores = pd.concat([made, low])
    assert evaluation.compare_aggregations(scores)["log-loss"].idxmin() == "maximum"
    model = small_model()
    parts = (features(near[:40], "t"), features(near[40:], "v"))
    card = judging.export(tmp_path, model, scores, *parts, data="drawn", practice=False)
    assert card["aggregation"] != "maximum"


def test_incomplete_folders_are_refused_with_a_sentence(tmp_path, detector):
    with pytest.raises(ValueError, match=r"holds no model\.keras"):
        judging.load(tmp_path)
    shutil.copy(detector.folder / "model.keras", tmp_path)
    with pytest.raises(ValueError, match=r"no card\.json and no outliers\.npz.*export"):
        judging.load(tmp_path)
    shutil.copy(detector.folder / "outliers.npz", tmp_path)
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(ValueError, match="not a whole detector"):
        judging.load(tmp_path)
    shutil.copy(detector.folder / "card.json", tmp_path)
    assert judging.load(tmp_path / "model.keras").card == detector.card
    (tmp_path / "model.keras").write_text("no")
    with pytest.raises(ValueError, match="cannot be read as a Keras model"):
        judging.load(tmp_path)


def test_newest_run_comes_first_and_the_shipped_one_last(tmp_path, detector, monkeypatch):
    import os

    monkeypatch.setattr(settings, "WORK", tmp_path / "work")
    monkeypatch.chdir(tmp_path)
    assert judging.newest() == settings.MODELS / judging.SHIPPED
    for i, name in enumerate(["old", "new", "bare"]):
        shutil.copytree(detector.folder, tmp_path / "work" / name)
        os.utime(tmp_path / "work" / name / "model.keras", (1e9 + i, 1e9 + i))
    (tmp_path / "work" / "bare" / "card.json").unlink()
    assert judging.newest() == tmp_path / "work" / "new"


def test_crop_statistics_see_color_contrast_and_detail(near):
    got = judging.crop_statistics(near[:4])
    assert got.shape == (4, 15) and np.isfinite(got).all()
    gray = near[:4].astype(float) @ [0.299, 0.587, 0.114] / 255
    np.testing.assert_allclose(got[:, 0], gray.mean(axis=(1, 2)), atol=2e-3)
    np.testing.assert_allclose(got[:, 3], gray.std(axis=(1, 2)), atol=2e-3)
    noise = np.random.default_rng(0).normal(0, 20, near[:4].shape)
    noisy = judging.crop_statistics(np.clip(near[:4] + noise, 0, 255).astype(np.uint8))
    assert (noisy[:, 6:9] > got[:, 6:9] + 0.1).all()  # the finest detail, in all three channels
    flat = judging.crop_statistics(np.full((1, SIZE, SIZE, 3), 90, np.uint8))
    assert np.isfinite(flat).all() and (flat[:, 6:] < got[:1, 6:]).all()


# --- judging


def test_film_gets_a_verdict(detector, film, tmp_path):
    file = film(tmp_path / "a film, öfter.mp4", without={3})
    found = judging.judge([file], detector, frames=6)
    row = found.verdicts.iloc[0]
    assert list(found.verdicts.columns) == judging.COLUMNS
    assert row["clip"] == str(file) and row["frames_sampled"] == 6
    assert row["n_faces"] == len(found.scores) == 6 - row["frames_without_face"]
    assert row["frames_without_face"] == 1
    temperature = detector.card["temperature"]
    raw = evaluation.apply_temperature(found.scores["p_fake"], 1 / temperature)
    raw = evaluation.aggregate(raw, detector.card["aggregation"])
    expected = evaluation.apply_temperature([raw], temperature)
    assert row["p_fake"] == pytest.approx(expected[0], abs=1e-6)
    assert row["reason"] != evaluation.UNLIKE and row["calibrated"]
    assert row["scope"] == "trained on drawn faces: 40 clips"


def test_no_face_is_never_one_half(detector, film, tmp_path):
    file = film(tmp_path / "empty room.mp4", without=set(range(12)))
    found = judging.judge([file], detector, frames=5)
    row = found.verdicts.iloc[0]
    assert (row["verdict"], row["reason"]) == ("can't tell", "no face found")
    assert math.isnan(row["p_fake"]) and not row["calibrated"]
    assert row["frames_sampled"] == row["frames_without_face"] == 5
    assert json.loads(judging.to_json(found))[0]["p_fake"] is None
    assert "no face found" in judging.to_text(found) and "0.5" not in judging.to_text(found)


def bad_files(folder: Path, film) -> dict[str, str]:
    """Files that give no picture, and a word of the reason expected."""
    import av

    whole = film(folder / "whole.mp4").read_bytes()
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("I am no film.")
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 50])
    with av.open(str(folder / "only sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (folder / "a folder.mp4").mkdir()
    return {
        "empty.mp4": "empty",
        "text.mp4": "neither video",
        "cut.mp4": "",
        "only sound.mp4": "no picture",
        "a folder.mp4": "folder",
        "absent.mp4": "no such file",
    }


def test_bad_files_get_a_reason_and_the_rest_a_verdict(detector, film, tmp_path, capsys):
    reasons = bad_files(tmp_path, film)
    files = [tmp_path / name for name in reasons] + [tmp_path / "whole.mp4"]
    table = judging.judge(files, detector, frames=4).verdicts.set_index("clip")
    assert list(table.index) == [str(file) for file in files]
    for name, word in reasons.items():
        row = table.loc[str(tmp_path / name)]
        assert row["verdict"] == "can't tell" and row["reason"] and word in row["reason"]
        assert math.isnan(row["p_fake"])
    assert table["p_fake"].iloc[-1] > 0
    status = judging.command([str(f) for f in files], str(detector.folder), as_json=True)
    out = json.loads(capsys.readouterr().out)
    assert status == 1 and len(out) == len(files)
    assert judging.command([str(files[-1])], str(detector.folder)) == 0


def test_same_file_twice_is_one_row(detector, film, tmp_path):
    file = film(tmp_path / "a.mp4")
    assert len(judging.judge([file, file], detector, frames=3).verdicts) == 1


def test_unlike_anything_seen(detector, tmp_path, scene):
    rng = np.random.default_rng(0)
    frames = [
        np.clip(
            scene((200, 90, 160)).astype(float) + rng.normal(0, 30, (360, 640, 1)), 0, 255
        ).astype(np.uint8)[:, :, [1, 0, 2]]
        for _ in range(6)
    ]
    video.write(tmp_path / "other.mp4", frames, 12, crf=10)
    row = judging.judge([tmp_path / "other.mp4"], detector, frames=4).verdicts.iloc[0]
    assert row["n_faces"] > 0
    assert (row["verdict"], row["reason"]) == ("can't tell", evaluation.UNLIKE)
    assert not row["calibrated"] and 0 < row["p_fake"] < 1


def test_practice_model_says_out_of_scope_beside_its_score(practice, film, tmp_path, monkeypatch):
    mini = tmp_path / "mini"
    file = film(tmp_path / "mine.mp4")
    monkeypatch.setattr(settings, "MINI_DFDC", mini)
    mini.mkdir()
    found = judging.judge([file], practice, frames=3)
    row = found.verdicts.iloc[0]
    assert row["scope"] == judging.PRACTICE and not row["calibrated"] and row["p_fake"] > 0
    text = judging.to_text(found)
    assert "not a calibrated probability" in text and "p_fake" not in text
    assert json.loads(judging.to_json(found))[0]["calibrated"] is False

    shutil.copy(file, mini / "t3.mp4")  # a clip the card names as learned from
    row = judging.judge([file], practice, frames=3).verdicts.iloc[0]
    assert "learned from this very clip" in row["scope"] and not row["calibrated"]
    (mini / "t3.mp4").rename(mini / "clip_0001.mp4")
    found = judging.judge([file], practice, frames=3)
    assert found.verdicts["scope"][0] == "one of the course's clips"
    assert found.verdicts["calibrated"][0] and "p_fake" in judging.to_text(found)


# --- videos for eyes


def tone(seconds: float) -> tuple[np.ndarray, int]:
    return np.sin(np.arange(int(16000 * seconds)) * 0.2).astype(np.float32) * 0.3, 16000


def test_annotated_video_keeps_length_orientation_and_sound(detector, film, tmp_path):
    file = film(tmp_path / "a.mp4", frames=18, audio=tone(1.5))
    found = judging.judge([file], detector, frames=6)
    (out,) = judging.annotate(found, tmp_path / "out")
    before, after = video.facts(file), video.facts(out)
    assert before == after
    sound = video.sound(out)
    assert sound is not None and len(sound[0]) / sound[1] == pytest.approx(1.5, abs=0.15)
    assert np.abs(sound[0]).max() > 0.1
    for one, other in zip(video.frames(file, 3), video.frames(out, 3), strict=True):
        apart = np.abs(one.rgb.astype(int) - other.rgb).max(axis=2)
        assert (apart[-80:] > 40).mean() > 0.5  # the strip
        assert (apart[60:-130] > 60).sum() > 300  # the box
        assert (apart[:60, :150] < 30).all()  # the rest is untouched


def test_portrait_and_tiny_and_faceless_films(detector, scene, tmp_path):
    shapes = {
        "portrait": scene((30, 200, 180), size=(240, 480)),
        "tiny": scene(size=(66, 50)),
        "faceless": scene(size=(320, 180)),
    }
    files = []
    for name, picture in shapes.items():
        files.append(tmp_path / f"{name}.mp4")
        video.write(files[-1], [picture] * 5, 10)
    found = judging.judge(files, detector, frames=3)
    for file, out in zip(files, judging.annotate(found, tmp_path), strict=True):
        before, after = video.facts(file), video.facts(out)
        assert [before[k] for k in ("frames", "width", "height")] == [
            after[k] for k in ("frames", "width", "height")
        ]
    assert found.verdicts["n_faces"].tolist()[0] > 0


def test_two_files_of_one_name_and_unreadable_ones(detector, film, tmp_path):
    files = [film(tmp_path / place / "a.mp4", frames=4) for place in ("one", "two")]
    found = judging.judge([*files, tmp_path / "absent.mp4"], detector, frames=2)
    written = judging.annotate(found, tmp_path / "out")
    assert [path.name for path in written] == ["a-judged.mp4", "a-judged-2.mp4"]


def test_picture_becomes_a_picture(detector, scene, tmp_path):
    from PIL import Image

    Image.fromarray(scene((200, 90, 160))).save(tmp_path / "still.png")
    found = judging.judge([tmp_path / "still.png"], detector)
    assert found.verdicts["n_faces"][0] == 1
    (out,) = judging.annotate(found, tmp_path)
    assert out.name == "still-judged.png" and Image.open(out).size == (640, 360)


def test_annotated_video_plays_in_a_browser(detector, film, tmp_path, browser):
    file = film(tmp_path / "a.mp4", frames=24, audio=tone(2))
    (out,) = judging.annotate(judging.judge([file], detector, frames=4), tmp_path)
    page = browser.new_page()
    (tmp_path / "page.html").write_text(f'<video src="{out.name}" muted></video>')
    page.goto((tmp_path / "page.html").as_uri())
    seen = page.evaluate("""async () => {
        const video = document.querySelector("video");
        await video.play();
        const start = video.currentTime;
        for (let i = 0; i < 100 && video.currentTime < start + 0.5; i++)
            await new Promise(done => setTimeout(done, 100));
        return [video.currentTime - start, video.videoWidth, video.videoHeight, video.duration];
    }""")
    page.close()
    assert seen[0] >= 0.5 and seen[1:3] == [640, 360]
    assert seen[3] == pytest.approx(2, abs=0.1)


# --- from a run, and on real footage


def test_run_becomes_a_detector(tmp_path, near, monkeypatch):
    import cv2

    crops = tmp_path / "crops"
    crops.mkdir()
    rows = []
    for i, image in enumerate(near):
        cv2.imwrite(str(crops / f"{i}.png"), image[..., ::-1])
        clip = f"{'train' if i < 40 else 'valid'}{i // 2}.mp4"
        rows.append(
            {
                "crop": f"{i}.png",
                "clip": clip,
                "frame": i % 2,
                "time_s": 0.0,
                "person": 0,
                "label": ["REAL", "FAKE"][i // 2 % 2],
                "group": f"g{i // 8}",
                "method": None,
                "split": "train" if i < 40 else "validation",
            }
        )
    table = pd.DataFrame(rows)
    table.to_csv(crops / "crops.csv", index=False)
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(ValueError, match=r"There is no .*model\.keras"):
        judging.export_run(run, crops)
    model = small_model()
    model.save(run / "model.keras")
    held_out = table[table["split"] == "validation"]
    held_out.assign(p_fake=models.predict(model, near[40:])).to_csv(run / "scores.csv", index=False)
    (run / "run.json").write_text(json.dumps({"split": "random"}))
    with pytest.raises(ValueError, match="random split"):
        judging.export_run(run, crops)
    (run / "run.json").write_text(json.dumps({"command": "python -m course_utils train crops run"}))
    card = judging.export_run(run, crops)
    assert card["outliers"]["rate"] == 0.05
    assert card["trained_on"] == "crops: 20 clips in 5 groups" and not card["practice"]
    assert card["command"].endswith("train crops run") and card["validation"]["clips"] == 20
    assert len(card["training_clips"]) == 20
    assert judging.load(run).card == card
    monkeypatch.setattr(settings, "MINI_DFDC", tmp_path)
    (tmp_path / "metadata.json").write_text(json.dumps(dict.fromkeys(table["clip"], {})))
    assert judging.export_run(run, crops, tmp_path / "shipped")["practice"] is True
    assert judging.load(tmp_path / "shipped").practice


def test_real_footage_from_file_to_verdict(practice, footage, capsys):
    files = sorted(map(str, footage.glob("*.mp4")))[:2]
    assert judging.command(files, str(practice.folder), as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["clip"] for row in rows] == files
    for row in rows:
        assert row["n_faces"] >= 10 and row["scope"] == judging.PRACTICE
        assert row["verdict"] == "can't tell" and row["reason"] == evaluation.UNLIKE
        assert row["calibrated"] is False


def test_refusals_of_test_clips_and_of_other_footage(tmp_path, detector, near):
    import cv2

    rng = np.random.default_rng(0)
    rows = []
    for i, image in enumerate([*near[40:60], *rng.integers(0, 256, near[:6].shape)]):
        name = "near" if i < 20 else "noise"
        (tmp_path / name).mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name / f"{i}.png"), image[..., ::-1])
        split = ("test" if i < 16 else "train") if i < 20 else None
        rows.append([f"{i}.png", f"c{i // 2}.mp4", i % 2, "REAL", "g", split])
    crops = pd.DataFrame(rows, columns=["crop", "clip", "frame", "label", "group", "split"])
    crops[:20].to_csv(tmp_path / "near" / "crops.csv", index=False)
    crops[20:].to_csv(tmp_path / "noise" / "crops.csv", index=False)
    out = tmp_path / "told.csv"
    told = judging.refusals(
        [detector.folder] * 2, tmp_path / "near", tmp_path / "noise", out, "as typed"
    )
    assert told["footage"].value_counts().to_dict() == {"test": 16, "other": 6}
    other = told[told["footage"] == "other"]
    assert (other["reason"] == evaluation.UNLIKE).all() and (other["verdict"] == "can't tell").all()
    assert set(other["clip"]) == {"other clip 1", "other clip 2", "other clip 3"}
    far = told["distance"] > told["threshold"]
    assert (far == (told["reason"] == evaluation.UNLIKE)).all() and far.mean() < 0.5
    assert json.loads(out.with_suffix(".json").read_text())["command"] == "as typed"
    assert len(pd.read_csv(out)) == 22
