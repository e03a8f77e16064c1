"""The rules of model life, in any order of events: copies, removals, changes, good loads and bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from peprank.serve.files import Found
from peprank.serve.model import ServedModel
from peprank.serve.shelf import Shelf, Status, Version

numbers = st.integers(1, 5)


class ShelfLife(RuleBasedStateMachine):
    """A disk, and a shelf that looks at it; models are the contents that they were loaded from."""

    @initialize(keep=st.integers(1, 3))
    def begin(self, keep: int) -> None:
        self.shelf = Shelf(keep=keep)
        self.disk: dict[int, str] = {}
        self.loading: list[tuple[Version, str]] = []
        self.num_written = 0
        self.answers: tuple[str, ...] = ()

    @rule(number=numbers, is_good=st.booleans())
    def write(self, number: int, is_good: bool) -> None:
        self.num_written += 1
        self.disk[number] = f"{number} {'good' if is_good else 'bad'} {self.num_written}"

    @precondition(lambda self: len(self.disk) > 1)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        del self.disk[data.draw(st.sampled_from(sorted(self.disk)))]

    @precondition(lambda self: self.disk)
    @rule()
    def look(self) -> None:
        found = {k: Found(path=Path(), stamp=((content, 0, 0, 0),)) for k, content in self.disk.items()}
        self.shelf.see(found, is_first_look=not self.shelf.versions)
        self.advance()

    @precondition(lambda self: self.loading)
    @rule(data=st.data())
    def end_a_load(self, data: st.DataObject) -> None:
        version, content = self.loading.pop(data.draw(st.integers(0, len(self.loading) - 1)))
        has_changed = self.disk.get(version.number) != content
        if "good" in content and not has_changed:
            version.succeed(cast(ServedModel, content))
        else:
            version.fail("bad", is_final=version.is_settled and not has_changed)
        self.advance()

    def advance(self) -> None:
        before = self.answers
        for version in self.shelf.due():
            self.loading.append((version, version.found.stamp[0][0]))
            version.begin()
        self.answers = cast(tuple[str, ...], self.shelf.answering())
        assert self.answers or not before, "nothing answers any more"

    @invariant()
    def answers_are_good_and_in_order(self) -> None:
        assert all("good" in content for content in self.answers)
        answering = [int(content.split()[0]) for content in self.answers]
        assert answering == sorted(set(answering))
        assert len(answering) <= self.shelf.keep

    def teardown(self) -> None:
        """When nothing changes any more, the highest good version answers with its newest content."""
        if not getattr(self, "disk", None):
            return
        for _ in range(50):
            self.look()
            while self.loading:
                version, content = self.loading.pop()
                if "good" in content:
                    version.succeed(cast(ServedModel, content))
                else:
                    version.fail("bad", is_final=version.is_settled)
                self.advance()
        good = [number for number, content in self.disk.items() if "good" in content]
        answering = {int(content.split()[0]): content for content in self.answers}
        assert all(answering[number] == self.disk[number] for number in answering.keys() & set(good))
        assert not good or max(answering) >= max(good)
        assert all(version.status is not Status.LOADING for version in self.shelf.versions.values())


TestShelfLife = ShelfLife.TestCase
