"""The plan of the set: who plays, who is forged how, and that nothing of it betrays a label."""

import pandas as pd
import pytest

from course_utils import datasets
from course_utils.actors import casting
from course_utils.forgery import CUES


@pytest.fixture(scope="module")
def plan() -> pd.DataFrame:
    return casting.plan()


def test_sixty_actors_in_casts_of_two_with_neighboring_tones_and_one_sex():
    actors = casting.cast()
    assert len(actors) == 60 and actors["actor"].is_unique
    for _, pair in actors.groupby("cast"):
        assert len(pair) == 2
        assert len(set(pair["female"])) == 1
        assert sorted((pair["skin_tone"] - 1) // 2)[0] == max((pair["skin_tone"] - 1) // 2)
    per_tone = pd.crosstab(actors["split"], actors["skin_tone"])
    assert per_tone.shape[1] == 10 and per_tone.std(axis=1).eq(0).all()


def test_every_fake_has_an_original_of_the_same_person_and_a_donor_of_the_same_cast(plan):
    real, fake = plan[plan["label"] == "REAL"], plan[plan["label"] == "FAKE"]
    assert (len(real), len(fake)) == (60, 120)
    by_clip = plan.set_index("clip")
    assert (by_clip.loc[fake["original"], "label"] == "REAL").all()
    assert (by_clip.loc[fake["original"], "target"].to_numpy() == fake["target"].to_numpy()).all()
    cast_of = real.set_index("target")["cast"]
    assert (cast_of[fake["donor"]].to_numpy() == fake["cast"].to_numpy()).all()
    assert (fake["donor"] != fake["target"]).all()
    assert fake.groupby("target")["method"].nunique().eq(2).all()


def test_casts_are_groups_and_lie_whole_in_one_split(plan):
    table = plan.assign(group=datasets.groups(plan))
    assert table["group"].nunique() == 30
    datasets.check_split(table)
    assert len(table.drop_duplicates(["group", "cast"])) == 30


def test_animate_is_never_trained_on(plan):
    assert set(plan.loc[plan["method"] == "animate", "split"]) == {"test"}


def test_strengths_run_from_invisible_to_glaring_for_every_method(plan):
    for _, group in plan[plan["label"] == "FAKE"].groupby("method"):
        assert group["strength"].min() < 0.15 and group["strength"].max() > 0.85


def test_real_clips_have_no_dial_turned_and_fakes_only_their_methods(plan):
    cues = [f"cue_{cue}" for cue in CUES]
    assert (plan.loc[plan["label"] == "REAL", cues] == 0).all(axis=None)
    for fake in plan[plan["label"] == "FAKE"].itertuples():
        shown = {cue for cue in CUES if getattr(fake, f"cue_{cue}") > 0}
        assert shown <= set(casting.LEAVES[fake.method])


def test_names_and_coding_tell_nothing_of_the_label(plan):
    assert plan["clip"].is_unique and plan["clip"].str.fullmatch(r"[a-z]{10}\.mp4").all()
    assert plan["clip"].is_monotonic_increasing, "rows are in the order of names, not of labels"
    for column in ("crf", "grain", "qp"):
        means = plan.groupby("label")[column].agg(["mean", "sem"])
        gap = abs(means["mean"].diff().iloc[-1])
        assert gap < 3.5 * (means["sem"] ** 2).sum() ** 0.5


def test_the_quiz_shows_each_test_actor_once_half_of_them_real(plan):
    quiz = plan[plan["quiz"]]
    assert set(quiz["split"]) == {"test"} and quiz["target"].is_unique
    assert len(quiz) == 20 and (quiz["label"] == "REAL").sum() == 10


def test_one_seed_one_plan_another_seed_another(plan):
    pd.testing.assert_frame_equal(plan, casting.plan())
    assert set(plan["clip"]) != set(casting.plan(casting.SEED + 1)["clip"])
