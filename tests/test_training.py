"""Training: tables that are refused, pipelines that repeat themselves, runs that go on."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import models, settings, training
from course_utils.__main__ import main

SIZE = 32
SPLITS = ["train", "train", "validation", "train", "test"]


def make_crops(folder: Path, groups: int = 10, each: int = 4, size: int = 40) -> pd.DataFrame:
    """Crops of generated clips; a FAKE has a red square in its middle."""
    rng = np.random.default_rng(0)
    (folder / "crops").mkdir(parents=True)
    rows = []
    for group in range(groups):
        base = cv2.resize(rng.integers(60, 180, (5, 5, 3), dtype=np.uint8), (size, size))
        for label in ("REAL", "FAKE"):
            for frame in range(each):
                rgb = np.clip(base + rng.normal(0, 5, base.shape), 0, 255)
                if label == "FAKE":
                    rgb[12:28, 12:28] = (220, 40, 40)
                name = f"crops/{group}-{label}-{frame}.png"
                cv2.imwrite(str(folder / name), rgb.astype(np.uint8)[..., ::-1])
                row = {"crop": name, "clip": f"{group}-{label}.mp4", "frame": frame}
                row |= {"label": label, "group": group, "split": SPLITS[group % 5]}
                rows.append(row)
    crops = pd.DataFrame(rows)
    crops.to_csv(folder / "crops.csv", index=False)
    return crops


@pytest.fixture(scope="module")
def box(tmp_path_factory) -> tuple[pd.DataFrame, Path]:
    folder = tmp_path_factory.mktemp("box")
    return make_crops(folder), folder


@pytest.fixture(scope="module")
def faces(box) -> training.Faces:
    return training.read_faces(*box, SIZE)


def build() -> keras.Model:
    """What Meso-4 has, in less: a convolution, batch normalization, dropout, a head."""
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    x = keras.layers.BatchNormalization(momentum=0.8)(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    x = keras.layers.Dropout(0.2)(x)
    x = keras.layers.Dense(2, activation="softmax")(x)
    return training.compiled(keras.Model(image, x, name="tiny-random"))


def small(seed: int = 0) -> keras.Model:
    training.prepare(seed)
    return build()


def fit(model, faces, **options) -> pd.DataFrame:
    history = training.fit(model, faces, **{"batch": 16, "progress": False, **options})
    return history.drop(columns="seconds")


# ------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda crops: crops.drop(columns="group"), "no column group"),
        (lambda crops: crops.assign(label="FAKE"), r"All 48 crops for train are FAKE.*Rows 0 \("),
        (
            lambda crops: crops.assign(label=crops["label"].where(crops.index != 5, "MAYBE")),
            r"Row 5 \(crops/0-FAKE-1.png\): the label is neither",
        ),
        (
            lambda crops: crops.assign(split=crops["split"].replace("validation", "test")),
            "None of the 80 crops is for validation",
        ),
        (
            lambda crops: crops.assign(crop=crops["crop"].where(crops.index != 7, "gone.png")),
            r"Row 7 \(gone.png\): no such file",
        ),
        (
            lambda crops: crops.assign(split=crops["split"].where(crops.index > 1, "test")),
            r"Rows 0 \(crops/0-REAL-0.png\).* and 5 more: group 0 lies in two splits",
        ),
        (
            lambda crops: crops.assign(group=crops["group"].where(crops.index != 4)),
            r"Row 4 \(crops/0-FAKE-0.png\): no group",
        ),
    ],
)
def test_a_table_that_cannot_be_trained_on_is_refused_by_row(box, spoil, words):
    crops, folder = box
    with pytest.raises(ValueError, match=words):
        training.check(spoil(crops), folder)
    training.check(crops, folder)


@pytest.mark.parametrize("damage", ["empty", "truncated", "text"])
def test_a_corrupt_picture_is_refused_by_row(tmp_path, damage):
    crops = make_crops(tmp_path, groups=5, each=1)
    path = tmp_path / crops["crop"][3]
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "truncated": whole[:-100], "text": b"no picture"}[damage])
    with pytest.raises(ValueError, match=r"Row 3 \(crops/1-FAKE-0.png\): not a readable picture"):
        training.read_faces(crops, tmp_path, SIZE)


def test_a_truncated_jpeg_is_refused_too(tmp_path):
    coded = cv2.imencode(".jpg", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
    (tmp_path / "torn.jpg").write_bytes(coded[:-40])
    with pytest.raises(ValueError, match=r"torn\.jpg is not a readable picture"):
        training.read_crop(tmp_path / "torn.jpg", SIZE)
    (tmp_path / "whole.jpg").write_bytes(coded)
    assert training.read_crop(tmp_path / "whole.jpg", SIZE).shape == (SIZE, SIZE, 3)


def test_crops_are_read_as_rgb(tmp_path):
    red = np.zeros((50, 50, 3), np.uint8)
    red[..., 2] = 255  # BGR
    cv2.imwrite(str(tmp_path / "red.png"), red)
    assert training.read_crop(tmp_path / "red.png", 20)[10, 10].tolist() == [255, 0, 0]


# ----------------------------------------------------------------------------------------- splits


def test_a_random_split_keeps_the_numbers_and_divides_the_groups(box):
    crops, folder = box
    leaky = training.split_crops(crops, "random", seed=1)
    counts = crops.groupby(["label", "split"]).size()
    pd.testing.assert_series_equal(leaky.groupby(["label", "split"]).size(), counts)
    with pytest.raises(ValueError, match="lies in two splits"):
        training.check(leaky, folder)
    training.check(leaky, folder, leaky=True)
    pd.testing.assert_frame_equal(training.split_crops(crops), crops)
    whole = training.split_crops(crops.assign(split="train"))  # as all of DFDC's clips are
    assert whole.groupby("group")["split"].nunique().max() == 1
    assert set(whole["split"]) == {"train", "validation", "test"}


def test_folds_do_not_divide_groups_unless_random(box):
    crops, _ = box
    place = training._folds(crops, 5, "grouped", seed=0)
    assert pd.Series(place).groupby(crops["group"]).nunique().max() == 1
    assert set(place) == set(range(5))
    random = training._folds(crops, 5, "random", seed=0)
    assert pd.Series(random).groupby(crops["group"]).nunique().min() > 1
    assert (training._folds(crops, 5, "grouped", seed=1) != place).any()
    with pytest.raises(ValueError, match="10 groups cannot be divided into 11"):
        training._folds(crops, 11, "grouped", seed=0)


# --------------------------------------------------------------------------------------- pipeline


def read_all(faces, epochs, augmented=False, seed=0):
    labels = faces.train_labels
    data = training.batches(
        faces.train, labels, np.arange(len(labels)), 10, seed, augmented, epochs
    )
    return [[np.asarray(part) for part in parts] for parts in data]


@pytest.mark.parametrize("augmented", [False, True])
def test_an_epoch_is_the_same_whether_run_through_or_resumed(faces, augmented):
    through = read_all(faces, range(0, 3), augmented)
    resumed = read_all(faces, range(2, 3), augmented)
    assert len(through) == 15
    for before, after in zip(through[10:], resumed, strict=True):
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)
    first, second = (np.concatenate([part[2] for part in through[i : i + 5]]) for i in (0, 5))
    assert sorted(first) == sorted(second) == list(range(48))  # each crop once an epoch
    assert list(first) != list(second)
    other_seed = read_all(faces, range(1), augmented, seed=1)
    assert list(np.concatenate([part[2] for part in other_seed])) != list(first)


@pytest.mark.parametrize("augmented", [False, True])
def test_another_backend_gets_the_same_batches(faces, augmented, monkeypatch):
    wanted = read_all(faces, range(1, 3), augmented)
    monkeypatch.setattr(training.keras.backend, "backend", lambda: "jax")
    rows = np.arange(len(faces.train_labels))
    turns = training.batches(
        faces.train, faces.train_labels, rows, 10, augmented=augmented, epochs=range(1, 3)
    )
    assert isinstance(turns, training.keras.utils.PyDataset) and len(turns) == 5
    found = []
    for _ in range(2):
        found += [turns[index] for index in range(len(turns))]
        turns.on_epoch_end()
    for before, after in zip(wanted, found, strict=True):
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)


def test_pictures_labels_and_weights_stay_together(faces):
    for images, labels, rows in read_all(faces, range(2)):
        np.testing.assert_array_equal(images, faces.train[rows.astype(int)])
        np.testing.assert_array_equal(labels, faces.train_labels[rows.astype(int)])


def test_crops_too_many_for_memory_are_read_as_they_are_in_memory(box, faces, monkeypatch):
    crops, folder = box
    monkeypatch.setattr(training, "IN_MEMORY", 1)
    streamed = training.read_faces(crops, folder, SIZE)
    assert not isinstance(streamed.train, np.ndarray)
    for one, other in zip(read_all(streamed, range(1)), read_all(faces, range(1)), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
    model = small()
    np.testing.assert_array_equal(
        training.predict(model, streamed.validation), training.predict(model, faces.validation)
    )
    (folder / "torn.png").write_bytes(b"")
    torn = crops.assign(crop=crops["crop"].where(crops.index != 1, "torn.png"))
    with pytest.raises(ValueError, match=r"Row 1 \(torn.png\)"):
        training.read_faces(torn, folder, SIZE)


def test_augmentation_changes_a_crop_but_not_what_it_is(faces):
    crop = faces.train[0]
    before = crop.copy()
    changed = [training.augment(crop, np.random.default_rng(seed)) for seed in range(40)]
    np.testing.assert_array_equal(crop, before)
    assert all(each.shape == crop.shape and each.dtype == np.uint8 for each in changed)
    assert len({each.tobytes() for each in changed}) == 40
    flipped = [
        np.abs(each[:, ::-1] - 1.0 * crop).mean() < np.abs(each - 1.0 * crop).mean()
        for each in changed
    ]
    assert 8 < sum(flipped) < 32
    assert np.mean([each.mean() for each in changed]) == pytest.approx(crop.mean(), rel=0.1)
    gray = np.full((SIZE, SIZE, 3), 128, np.uint8)  # stays gray, whatever its brightness
    for seed in range(20):
        assert (
            np.ptp(training.augment(gray, np.random.default_rng(seed)).astype(int), axis=2).max()
            <= 4
        )


# --------------------------------------------------------------------------------- balance, prior


def test_balanced_classes_weigh_the_same():
    labels = np.array([1] * 8 + [0] * 2)
    weights = training.balance(labels)
    assert weights[labels == 1].sum() == pytest.approx(weights[labels == 0].sum())
    assert weights.mean() == pytest.approx(1)


@given(st.floats(0.01, 0.99), st.floats(-8, 8))
def test_the_prior_multiplies_the_odds(fake, logit):
    last = keras.layers.Dense(2, activation="softmax")
    model = keras.Sequential([keras.Input((1,)), last])
    last.set_weights([np.zeros((1, 2), "float32"), np.array([0, logit], "float32")])
    training.restore_prior(model, fake)
    p_fake = float(model(np.zeros((1, 1), "float32"))[0, 1])
    odds = math.exp(logit) * fake / (1 - fake)
    assert p_fake == pytest.approx(odds / (1 + odds), rel=1e-4, abs=1e-6)


def test_a_run_on_many_fakes_answers_with_the_prior_of_its_crops(box):
    """Where nothing can be told, balanced training says .5, and the share of FAKE is right."""
    crops, folder = box
    rare = (crops["label"] == "REAL") & (crops["frame"] > 0) & (crops["split"] == "train")
    faces = training.read_faces(crops[~rare], folder, SIZE)
    blind = faces._replace(
        train=np.zeros_like(faces.train), validation=np.zeros_like(faces.validation)
    )
    model = small()
    fit(model, blind, epochs=15, augmented=False)
    share = blind.train_labels.mean()
    assert share == 0.8
    assert training.predict(model, blind.validation).mean() == pytest.approx(0.5, abs=0.1)
    training.restore_prior(model, share)
    assert training.predict(model, blind.validation).mean() == pytest.approx(0.8, abs=0.1)


# --------------------------------------------------------------------------------------- training


def test_two_runs_with_one_seed_have_one_history(faces):
    histories = [fit(small(seed=4), faces, epochs=3, seed=4) for _ in range(2)]
    pd.testing.assert_frame_equal(histories[0], histories[1], check_exact=True)
    other = fit(small(seed=5), faces, epochs=3, seed=5)
    assert (other["loss"] != histories[0]["loss"]).all()
    assert list(histories[0]["epoch"]) == [1, 2, 3]


class Killed(Exception):
    pass


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_run_goes_on_to_the_same_history(faces, tmp_path, monkeypatch, when):
    rate = training.cosine(1e-3, 5)
    undisturbed = small()
    history = fit(undisturbed, faces, epochs=5, rate=rate)
    save = training._Recorder._save

    def die_in_epoch_3(self, run, best):
        if len(self.rows) == 3 and when == "before":
            raise Killed
        save(self, run, best)
        if len(self.rows) == 3:
            raise Killed

    monkeypatch.setattr(training._Recorder, "_save", die_in_epoch_3)
    with pytest.raises(Killed):
        fit(small(), faces, epochs=5, rate=rate, run=tmp_path)
    monkeypatch.setattr(training._Recorder, "_save", save)
    assert len(pd.read_csv(tmp_path / "all layers.csv")) == (2 if when == "before" else 3)
    model = small(seed=99)  # whatever it begins with is replaced
    resumed = fit(model, faces, epochs=5, rate=rate, run=tmp_path)
    pd.testing.assert_frame_equal(resumed, history, rtol=1e-6)
    np.testing.assert_allclose(
        training.predict(model, faces.validation),
        training.predict(undisturbed, faces.validation),
        atol=1e-6,
    )


def test_training_stops_early_and_keeps_the_best_epoch(faces):
    model = small()
    # The third epoch's rate wrecks the network; the best weights are those of the epochs before.
    rate = lambda epoch: 1e-3 if epoch < 2 else 3.0  # noqa: E731
    history = fit(model, faces, epochs=12, patience=3, rate=rate)
    best = history["val_loss"].idxmin()
    assert len(history) == best + 1 + 3
    assert len(history) < 12
    weights = training.balance(faces.validation_labels)
    kept = training.validate(
        training.predict(model, faces.validation), faces.validation_labels, weights
    )
    assert kept["val_loss"] == pytest.approx(history["val_loss"].min(), rel=1e-5)


def test_a_lost_loss_ends_the_run_instead_of_raising(faces):
    history = fit(small(), faces, epochs=5, rate=lambda epoch: math.nan)
    assert len(history) == 1
    assert math.isnan(history["val_loss"][0])


def test_cached_features_give_the_history_of_the_frozen_model(faces):
    histories = []
    for cached in (True, False):
        training.prepare(1)
        model = models.course_backbone("random", SIZE)
        options = {"batch": 16, "progress": False}
        if cached:
            history = training.fit_head(model, faces, 4, **options)
        else:
            training.compiled(models.freeze(model))
            history = training.fit(model, faces, 4, augmented=False, **options)
        histories.append(history[["loss", "val_loss", "val_auc"]])
    pd.testing.assert_frame_equal(*histories, atol=1e-3)


def test_fine_tuning_learns_the_planted_difference_in_two_phases(faces):
    training.prepare(0)
    model = models.course_backbone("random", SIZE)
    history = training.fine_tune(model, faces, (3, 2), rate=1e-2, batch=16, progress=False)
    assert list(history["phase"]) == ["frozen"] * 3 + ["fine-tuned"] * 2
    assert list(history["epoch"]) == [1, 2, 3, 4, 5]
    assert history["learning_rate"][0] == pytest.approx(1e-2)
    assert history["learning_rate"][3] == pytest.approx(1e-3)
    assert history["val_auc"].iloc[-1] > 0.9
    assert not model.get_layer("block1_conv").trainable
    assert model.get_layer("block5_conv").trainable


# ---------------------------------------------------------------------------- cross-validation


def test_cross_validation_scores_each_crop_once_a_seed_and_goes_on_where_it_was(box, tmp_path):
    crops, folder = box
    options = {"folds": 2, "seeds": [0, 1], "epochs": 1, "batch": 16, "out": tmp_path, "jobs": 1}
    first = training.cross_validate(crops, folder, build, **options)
    assert first.groupby("seed")["crop"].nunique().tolist() == [80, 80]
    assert len(first) == 160
    assert first.groupby(["seed", "group"])["fold"].nunique().max() == 1
    assert first["p_fake"].between(0, 1).all()
    (tmp_path / "seed01-fold1.npy").unlink()
    kept = tmp_path / "seed00-fold0.npy"
    np.save(kept, np.load(kept) * 0)  # would be noticed if the fold were trained again
    again = training.cross_validate(crops, folder, build, **options)
    assert (again.query("seed == 0 and fold == 0")["p_fake"] == 0).all()
    redone = "seed == 1 and fold == 1"
    np.testing.assert_array_equal(again.query(redone)["p_fake"], first.query(redone)["p_fake"])


# ------------------------------------------------------------------------------------ whole runs


def test_a_loss_that_is_lost_at_once_ends_a_run_with_a_sentence(box, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "cosine", lambda *_: lambda epoch: math.nan)
    with pytest.raises(RuntimeError, match="loss was lost in the first epoch.*another seed"):
        training.train(box[1], tmp_path / "run", "meso4", image_size=SIZE, epochs=3)


def test_a_run_leaves_history_model_scores_and_what_made_it(box, tmp_path, monkeypatch):
    crops, folder = box
    options = {"image_size": SIZE, "epochs": 3, "batch": 16, "seed": 2}
    history = training.train(folder, tmp_path / "run", "meso4", command="the command", **options)
    left = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert left == ["history.csv", "model.keras", "run.json", "scores.csv"]
    scores = pd.read_csv(tmp_path / "run" / "scores.csv")
    assert set(scores["crop"]) == set(crops.query("split != 'train'")["crop"])
    model = models.load(tmp_path / "run" / "model.keras")
    images = training.pixels(scores, folder, SIZE)
    np.testing.assert_allclose(scores["p_fake"], models.predict(model, images), atol=1e-6)
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["command"] == "the command"
    assert about["weights_name"] == "random"
    assert about["reductions"] == ["32 px instead of 256"]
    assert about["majority_class_accuracy"] == 0.5
    assert about["base_rate_log_loss"] == pytest.approx(math.log(2))
    again = training.train(folder, tmp_path / "run", "meso4", **options)
    pd.testing.assert_frame_equal(again, history)
    with pytest.raises(ValueError, match="other settings \\(seed\\)"):
        training.train(folder, tmp_path / "run", "meso4", **{**options, "seed": 3})
    more = pd.concat([crops, crops.tail(1).assign(clip="another.mp4")])
    monkeypatch.setattr(training, "read_table", lambda folder: more)
    with pytest.raises(ValueError, match="other settings \\(crops_table\\)"):
        training.train(folder, tmp_path / "run", "meso4", **options)
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match=r"no crops\.csv"):
        training.train(tmp_path, tmp_path / "other")
    with pytest.raises(ValueError, match="no model 'vgg'"):
        training.train(folder, tmp_path / "other", "vgg")


def test_runs_that_differ_in_their_seed_are_recorded_as_one(box, tmp_path, monkeypatch):
    _, folder = box
    monkeypatch.setattr(settings, "RUNS", tmp_path / "recorded")
    options = {"image_size": SIZE, "epochs": 2, "batch": 16}
    for seed in (3, 4):
        command = f"train it with {seed}"
        training.train(folder, tmp_path / f"run{seed}", seed=seed, command=command, **options)
    run = training.record([tmp_path / "run3", tmp_path / "run4"], "two")
    assert run.about["seeds"] == [3, 4]
    assert run.about["commands"] == ["train it with 3", "train it with 4"]
    assert run.history.groupby("seed").size().tolist() == [2, 2]
    one = pd.read_csv(tmp_path / "run4" / "scores.csv")
    kept = run.scores[run.scores["seed"] == 4].reset_index(drop=True)
    np.testing.assert_allclose(kept["p_fake"], one["p_fake"], atol=1e-4)
    assert list(kept["clip"]) == list(one["clip"])
    training.train(folder, tmp_path / "other", seed=3, **{**options, "epochs": 1})
    with pytest.raises(ValueError, match="differ in epochs"):
        training.record([tmp_path / "run3", tmp_path / "other"], "no")
    with pytest.raises(ValueError, match="no finished run"):
        training.record([tmp_path], "no")
    with pytest.raises(ValueError, match="there are two"):
        training.recorded("no")


def test_the_course_backbone_learns_another_task_and_is_small(box, tmp_path, monkeypatch):
    crops, folder = box
    rng = np.random.default_rng(0)
    crops = crops.assign(
        tone=crops["group"].map(lambda group: "dark" if group % 2 else "light"),
        yaw=np.where(crops.index == 0, np.nan, rng.normal(size=len(crops))),
    )
    out = tmp_path / "course_backbone.weights.h5"
    table = training.train_backbone(
        crops, folder, ["tone", "yaw"], out, epochs=2, image_size=SIZE, command="made so"
    )
    assert list(table["measure"]) == ["accuracy", "R squared"]
    assert table["constant"].tolist() == [0.5, 0.0]
    assert out.stat().st_size < 2**20
    assert json.loads((tmp_path / "course_backbone.json").read_text())["command"] == "made so"
    monkeypatch.setattr(settings, "MODELS", tmp_path)
    model = models.course_backbone(image_size=SIZE)
    assert models.weights_name(model) == "course"
    random = models.course_backbone("random", image_size=SIZE)
    kernels = [each.get_layer("block1_conv").get_weights()[0] for each in (model, random)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0
    for target in ("label", "nothing"):
        with pytest.raises(ValueError, match=target):
            training.train_backbone(crops, folder, [target], out)


def test_the_commands_train_and_cross_validate(box, tmp_path, capsys):
    _, folder = box
    sized = ["--image-size", str(SIZE), "--batch", "16", "--epochs", "1"]
    assert main(["train", str(folder), str(tmp_path / "run"), "--split", "random", *sized]) == 0
    assert "Best of 1 epochs" in capsys.readouterr().out
    few = ["--seeds", "1", "--folds", "2"]
    assert main(["cross_validate", str(folder), str(tmp_path / "cv"), *few, *sized]) == 0
    assert "80 scores of 80 crops" in capsys.readouterr().out
    left = sorted(path.name for path in (tmp_path / "cv").iterdir())
    assert left == ["run.json", "scores.csv"]
    about = json.loads((tmp_path / "cv" / "run.json").read_text())
    assert about["command"].startswith("python -m course_utils")
    assert about["seeds"] == 1
    assert main(["train", str(tmp_path), str(tmp_path / "run2")]) == 1
    assert "no crops.csv" in capsys.readouterr().err


@pytest.fixture
def borrowed(tmp_path, monkeypatch):
    """A file of course weights: those of another random start."""
    training.prepare(5)
    model = models.course_backbone("random", SIZE)
    models.backbone(model).save_weights(tmp_path / "course_backbone.weights.h5")
    monkeypatch.setattr(settings, "MODELS", tmp_path)
    return model


@pytest.mark.parametrize("way", training.WAYS)
def test_each_way_trains_what_it_says_with_the_same_budget(faces, borrowed, way):
    start = "random" if way.startswith("random") else "course"
    network, history = training._one_way(way, start, faces, SIZE, 4, 16, 0)
    assert len(history) == 4
    assert models.weights_name(network) == start
    training.prepare(0)
    began = models.course_backbone(start, SIZE)
    moved = {
        name: np.abs(network.get_layer(name).kernel - began.get_layer(name).kernel).max() > 0
        for name in ("block1_conv", "block5_conv", "real_fake")
    }
    expected = {"frozen": (0, 0, 1), "fine-tuned": (0, 1, 1), "random": (1, 1, 1)}
    assert tuple(moved.values()) == expected.get(way, (0, 0, 1))


def test_a_transfer_run_has_a_history_and_scores_a_seed_and_goes_on(box, borrowed, tmp_path):
    _, folder = box
    run = tmp_path / "run"
    command = ["transfer", str(folder), str(run), "--way", "frozen", "--image-size", str(SIZE)]
    command += ["--epochs", "2", "--seeds", "2"]
    assert main(command) == 0
    assert sorted(path.name for path in run.iterdir()) == ["history.csv", "run.json", "scores.csv"]
    history, scores = (pd.read_csv(run / f"{name}.csv") for name in ("history", "scores"))
    assert history.groupby("seed")["epoch"].apply(list).tolist() == [[1, 2], [1, 2]]
    assert scores.groupby("seed")["crop"].nunique().tolist() == [32, 32]
    assert set(scores["split"]) == {"validation", "test"}
    about = json.loads((run / "run.json").read_text())
    assert (about["way"], about["weights_name"], about["seeds"]) == ("frozen", "course", 2)
    assert about["command"].startswith("python -m course_utils")
    again = training.run_transfer(folder, run, "frozen", SIZE, 2, 32, 2)
    pd.testing.assert_frame_equal(again, scores)
    with pytest.raises(ValueError, match=r"other settings \(weights, .*way\)"):
        training.run_transfer(folder, run, "random", SIZE, 2, 32, 2)
    with pytest.raises(ValueError, match="no way 'thawed'"):
        training.run_transfer(folder, run, "thawed")
    partial = tmp_path / "partial"
    training.run_transfer(folder, partial, "random-frozen", SIZE, 1, 32, 1)
    (partial / "run.json").unlink()
    (partial / "checkpoints").mkdir()
    kept = pd.read_csv(partial / "scores.csv").assign(p_fake=0.25)
    kept.to_csv(partial / "checkpoints" / "seed00.csv", index=False)
    pd.read_csv(partial / "history.csv").to_csv(
        partial / "checkpoints" / "history-seed00.csv", index=False
    )
    resumed = training.run_transfer(folder, partial, "random-frozen", SIZE, 1, 32, 1)
    assert (resumed["p_fake"] == 0.25).all()


# --------------------------------------------------------------------------------------- lesson 04


def chain(depth: int, rule: str) -> keras.Model:
    """`depth` square layers on a crop's 48 first values, none of them with a bias."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(x))
    for _ in range(depth):
        x = keras.layers.Dense(64, "relu", kernel_initializer=rule)(x)
    return keras.Model(image, keras.layers.Dense(2, activation="softmax")(x))


def test_spreads_fade_through_glorot_layers_and_not_through_he_layers(faces):
    images, labels = faces.train[:16], faces.train_labels[:16]
    faded, kept = (
        training.spreads(chain(12, rule), images, labels) for rule in ("glorot_normal", "he_normal")
    )
    assert len(faded) == 13
    ratio = faded["signal"].iloc[11] / faded["signal"].iloc[1]
    assert 0.1 * 2**-5 < ratio < 10 * 2**-5  # each layer halves the variance: ten layers, 2 ** -5
    assert kept["signal"].iloc[11] / kept["signal"].iloc[1] > 5 * ratio
    assert (faded["apart"] < faded["signal"]).all()
    assert (faded["pull"].to_numpy()[:-1] < kept["pull"].to_numpy()[:-1]).all()


def test_spreads_leave_the_model_as_it_was_and_read_the_gradient_right(faces):
    images, labels = faces.train[:8], faces.train_labels[:8]
    model = chain(0, "glorot_normal")
    before = model.get_weights()
    table = training.spreads(model, images, labels)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    flat = images.reshape(8, -1) / 255
    error = model.predict(images, verbose=0) - np.eye(2)[labels]
    gradient = flat.T @ error / 8  # of cross-entropy behind a softmax
    expected = np.sqrt((gradient**2).mean() / (before[0] ** 2).mean())
    assert table["pull"].iloc[0] == pytest.approx(expected, rel=1e-3)


def test_throughput_is_recorded_with_both_precisions(tmp_path, capsys, monkeypatch):
    once = functools.partial(training.throughput, steps=1)  # half precision is slow on a CPU
    monkeypatch.setattr(training, "throughput", once)
    options = ["--model", "meso4", "--image-size", "32", "--batch", "2"]
    assert main(["throughput", str(tmp_path / "rates"), *options]) == 0
    assert "mixed_float16" in capsys.readouterr().out
    rates = pd.read_csv(tmp_path / "rates" / "rates.csv", index_col="precision")
    assert list(rates.index) == ["float32", "mixed_float16"]
    assert (rates[["training", "scoring"]] > 0).all(axis=None)
    about = json.loads((tmp_path / "rates" / "run.json").read_text())
    assert (about["model"], about["image_size"], about["batch"]) == ("meso4", 32, 2)
    assert about["device"] and keras.config.dtype_policy().name == "float32"
