import json, sys
p = "notebooks/02_artifact_cues.ipynb"
raw = open(p).read(); nb = json.loads(raw); cells = nb["cells"]
def text(c): return c["source"] if isinstance(c["source"], str) else "".join(c["source"])
def put(c, s): c["source"] = s if isinstance(c["source"], str) else s.splitlines(True)
def sub(start, old, new):
    hits = [c for c in cells if text(c).startswith(start)]
    assert len(hits) == 1, (start, len(hits))
    s = text(hits[0]); assert s.count(old) == 1, (start, old); put(hits[0], s.replace(old, new))
def whole(start, new):
    hits = [c for c in cells if text(c).startswith(start)]
    assert len(hits) == 1, (start, len(hits)); put(hits[0], new)
sub("We see the share of the lines' strength", "A person who wears", "A place counts as\nworn if a line was there in one frame of fifty, so rims that fade and come back still count. A person who wears")
whole("## One white band, or teeth?", """## One white band, or teeth? (optional, 4 min)

Matern et al. (2019) noticed that early fakes drew teeth as one white blob, without gaps. So let each
pixel be as dark as its *darkest neighbor* within a tooth's width (an erosion). Teeth become as dark as
the gaps between them, a mouth in which no teeth show is dark anyway, and only a white band stays
light. How light is the lightest quarter of the open mouth then, next to the skin? The stills show it
at full size.""")
whole('stills = sorted(', """stills = sorted((settings.MINI_DFDC / "stills").glob("*_real.png"))
twins = [[path, path.with_name(path.name.replace("real", "fake"))] for path in stills]
faces_ = [[cues.follow(path) for path in twin] for twin in twins]
bands = [[cues.white_band(t.frames[0], t.points[0]) for t in twin] for twin in faces_]
seen = [k for k, twin in enumerate(bands) if np.isfinite(twin).all()]
print(f"the mouth is open in {len(seen)} of {len(twins)} stills")


def part(track, points, margin):
    left, top = (track.points[0][points].min(axis=0) - margin).astype(int)
    right, bottom = (track.points[0][points].max(axis=0) + margin).astype(int)
    return track.frames[0][max(top, 0) : bottom, max(left, 0) : right]""")
whole("def part(track", """twin = faces_[seen[0]]
shown, titles = [], []
for name, track, band in zip(["REAL", "FAKE"], twin, bands[seen[0]], strict=True):
    mouth = part(track, slice(48, 68), 12)
    unit = forgery.eye_distance(track.points[0])
    tooth = np.ones((round(unit / 32), round(unit / 7)), "uint8")
    shown += [mouth, cv2.erode(mouth.mean(axis=2), tooth)]
    titles += [f"{name}: {band:.2f}", "its darkest neighbors"]
plots.maps(shown, titles, high=255)
assert bands[seen[0]][1] > bands[seen[0]][0]""")
whole("The mouth of a still, real and fake", """The mouth of a still, real and fake, each beside its darkest neighbors, and above it how light the
lightest quarter of the open mouth is there; 1 is as light as skin. We see teeth go dark with the gaps
between them in the real one, and a band stay light in the fake. `cues.teeth` takes the median of the 24
frames with the widest mouth. A mouth that never opens gets no number; one that opens and shows no teeth
gets a low one.""")
sub("Three pictures of a real frame and three of a fake", text(next(c for c in cells if text(c).startswith("Three pictures of a real frame and three"))).split("By eye it is\nhard to tell")[1],
 """. And an egg is a rough head:
its light at the ears is a guess, and people differ more in that than fakes do. So `cues.light` asks for
less, left against right only. How much does the logarithm of the light rise across the inner face? And
how does it *step* at the outline, from the inner face to the nearest skin outside, across the neck and
from ear to ear? Light goes on over the outline of a real face; a fake's goes back to what the room
gives. The value is rise minus step, without the part of the neck's step that a turned head explains:
.7 says that the light doubles over one distance between the eyes. A real face is seldom at 0: hair and
chin throw shadows.""")
whole("## Do both eyes see the same lamps?", """## Do both eyes see the same lamps? (optional, 5 min)

Each eye mirrors the room. Both see the same lamps, so their highlights should match (Hu et al. 2021,
who ask how much the highlights overlap). Ours are two or three pixels wide and seldom meet
exactly, even in a real pair. So we cut both irises from a still, with pupil and highlights, and ask how
well they *correlate*, at the best shift by a third of an iris at most.""")
whole("spots = [[cues.highlight", """disks = [[cues.iris_disk(t.frames[0], t.points[0][eye]) for eye in forgery.EYES] for t in twin]
eyes = [part(t, eye, 6) for t in twin for eye in forgery.EYES]
plots.maps(eyes, ["REAL, left eye", "right eye", "FAKE, left eye", "right eye"])
for name, (left, right) in zip(["REAL", "FAKE"], disks, strict=True):
    told = "an eye is shut" if left is None or right is None else None
    print(f"{name}: correlation", told or f"{cues.iris_match(left, right):.2f}")
print("in a clip:", cues.iris(cues.follow(real_clip)).reason)""")
sub("Four eyes, two of a real still", "We see the highlights sit alike in the\nreal pair and apart in the fake one.", "We see the highlights sit alike in the\nreal pair and apart in the fake one, and the correlation says so. `cues.iris` gives 1 minus it.")
open("02_new.ipynb", "w").write(json.dumps(nb, indent=1, ensure_ascii=False) + "\n")
import difflib
print(sum(1 for _ in difflib.unified_diff(raw.splitlines(), open("02_new.ipynb").read().splitlines())))
