"""`make prove` can begin: its pieces run in processes of their own, which import them by name."""

import pickle

from proof.programme import programme


def test_every_piece_of_the_programme_reaches_a_worker_process() -> None:
    pieces = [(work, arguments) for suite in programme() for work, arguments in suite.pieces]
    assert {work.__module__ for work, _ in pieces} == {"proof.programme"}
    for piece in pieces:
        assert pickle.loads(pickle.dumps(piece)) == piece  # noqa: S301
