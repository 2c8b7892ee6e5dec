"""Files of living processes: whoever clears up after the dead never takes one of the living for one of them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.store.sqlite import living
from holdfast.store.sqlite.ears import SqliteEars
from holdfast.store.sqlite.living import claim, remove_dead


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """What another process does just before the next lock is taken."""

    def once(act: Callable[[], Any]) -> None:
        real, acts = fcntl.flock, [act]

        def flock(file: int, how: int) -> None:
            if acts:
                acts.pop()()
            real(file, how)

        monkeypatch.setattr(living.fcntl, "flock", flock)

    return once


def test_a_file_is_there_though_it_was_cleared_away_before_it_was_locked(
    tmp_path: Path, meanwhile: Callable[[Callable[[], Any]], None]
) -> None:
    meanwhile(lambda: remove_dead(tmp_path))
    mine = claim(tmp_path / "mine")
    assert (tmp_path / "mine").exists()
    remove_dead(tmp_path)
    assert (tmp_path / "mine").exists()
    os.close(mine)
    remove_dead(tmp_path)
    assert not (tmp_path / "mine").exists()


def test_whoever_comes_late_to_clear_a_file_away_leaves_the_one_that_took_its_name(
    tmp_path: Path, meanwhile: Callable[[Callable[[], Any]], None]
) -> None:
    os.close(claim(tmp_path / "dead"))
    kept: list[int] = []

    def another() -> None:
        remove_dead(tmp_path)
        kept.append(claim(tmp_path / "dead"))

    meanwhile(another)
    remove_dead(tmp_path)
    assert (tmp_path / "dead").exists()
    os.close(kept[0])


def test_who_listens_is_not_made_deaf(tmp_path: Path, meanwhile: Callable[[Callable[[], Any]], None]) -> None:
    meanwhile(lambda: remove_dead(tmp_path / "ears"))
    ears = SqliteEars(tmp_path / "ears", "r1")
    assert len(list((tmp_path / "ears").iterdir())) == 1
    ears.close()
