"""What a model of one's own may give and must not: every wrong output is refused by name, none
becomes a number of nuclei. The session is played by hand; what it says is counted beforehand."""

from types import SimpleNamespace

import numpy as np
import pytest

from periomics.core.errors import InputError
from periomics.imaging import user_model
from periomics.imaging.user_model import UserModel, find

SIDE, EVERY, HALF = 160, 40, 6  # squares of 13 pixels, 40 apart
AT = [(y, x) for y in range(20, SIDE, EVERY) for x in range(20, SIDE, EVERY)]


def squares(shape):
    """0, and the number of each square."""
    out = np.zeros(shape, np.float32)
    for k, (y, x) in enumerate(AT, start=1):
        out[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1] = k
    return out


def seen(gives, output="labels", last=False):
    """Labels that `find` makes of what a session gives for a shape of rows and columns."""

    class Session:
        def get_inputs(self):
            return [SimpleNamespace(name="picture:0")]

        def run(self, _, given):
            (tensor,) = given.values()
            return gives(tensor.shape[1:3] if last else tensor.shape[2:])

    model = UserModel(Session(), 3, last, output, "0" * 64)
    return find(model, np.zeros((SIDE, SIDE, 3), np.float32), "unit")


@pytest.mark.parametrize("last", [False, True])
def test_numbers_are_counted_wherever_the_axes_of_length_one_stand(last):
    for wrap in (
        lambda a: a,
        lambda a: a[None],
        lambda a: a[None, None],
        lambda a: a[None, ..., None],
    ):
        labels = seen(lambda shape, wrap=wrap: [wrap(squares(shape))], last=last)
        assert labels.max() == len(AT) and (labels > 0).sum() == len(AT) * (2 * HALF + 1) ** 2
    assert seen(lambda shape: [np.zeros(shape)]).max() == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: np.where(a > 3, np.nan, a), "no numbers"),
        (lambda a: np.where(a > 0, 0.83, 0.02), "are they likelihoods"),
        (lambda a: (a > 0).astype(np.float32), "is it a mask"),
        (lambda a: np.where(a > 0, 1 + a % 2, 0), "is it a mask"),
        (lambda a: a[:-1], "another shape"),
    ],
)
def test_what_are_no_numbers_of_nuclei_is_refused(change, reason):
    with pytest.raises(InputError, match=reason):
        seen(lambda shape: [change(squares(shape))])


def test_a_session_that_fails_says_so():
    def fails(shape):
        raise RuntimeError("Got: 960 Expected: 256")

    with pytest.raises(InputError, match="fails on a section: Got: 960 Expected: 256"):
        seen(fails)


def stars(shape, grid=2, rays=32, *, reach=6.0, likely=0.9):
    """Likelihood and distances, rows and columns first: discs of a reach about every place."""
    p, r = np.zeros((shape[0] // grid, shape[1] // grid, 1)), None
    for y, x in AT:
        p[y // grid, x // grid] = likely
    r = np.full((*p.shape[:2], rays), reach)
    return p.astype(np.float32), r.astype(np.float32)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("rays", [32, 80])
def test_discs_stand_whatever_the_order_of_outputs_and_axes(turned, order, rays):
    """80 rays on a grid of 80 rows and columns: the shape alone does not tell which axis is
    which."""

    def gives(shape):
        made = stars(shape, rays=rays)
        return [(a.transpose(2, 0, 1) if turned else a)[None] for a in made][::order]

    labels = seen(gives, "stardist")
    assert labels.max() == len(AT)
    assert (labels > 0).sum() == pytest.approx(len(AT) * np.pi * 36, rel=0.1)


@pytest.mark.parametrize(
    ("gives", "reason"),
    [
        (lambda shape: [a[None] for a in stars(shape, likely=4.2)], "are they logits"),
        (lambda shape: [a[None] for a in stars(shape, reach=np.nan)], "no numbers"),
        (lambda shape: [stars(shape)[0][None], stars(shape, grid=4)[1][None]], "those of stardist"),
        (lambda shape: [a[None, :-3] for a in stars(shape)], "those of stardist"),
    ],
)
def test_what_is_no_likelihood_with_its_distances_is_refused(gives, reason):
    with pytest.raises(InputError, match=reason):
        seen(gives, "stardist")


@pytest.mark.parametrize("shape", [[1, 3, 256, 256], [1, 256, 256, 3], ["n", 3, 512, "w"]])
def test_a_model_of_one_size_of_picture_is_refused_at_check(shape):
    told = SimpleNamespace(name="x", type="tensor(float)", shape=shape)
    session = SimpleNamespace(get_inputs=lambda: [told])
    with pytest.raises(InputError, match="pictures of one size only"):
        user_model._input(session, "a.onnx")
