"""What a test of policies says: a request, and what is expected of it."""

from dataclasses import dataclass, replace
from typing import Self, TypeVar

from byok.policy.match import Glob
from byok.policy.rules import BUILT_IN, Direction, Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """
    A request, as far as a test describes it: what is left open is None.

    `headers` hold placeholders, never a real credential; in a test of an answer
    they are the answer's, and `payer` says for whom. `deployment_at` is where the
    deployment was named.
    """

    route: str | None = None
    model: str | None = None
    deployment: str | None = None
    key: str | None = None
    team: str | None = None
    user: str | None = None
    tags: tuple[str, ...] | None = None
    client_ip: str | None = None
    stream: bool | None = None
    payer: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    deployment_at: Where = BUILT_IN

    def over(self, defaults: Self) -> Self:
        """
        Return this request with what it leaves open taken from *defaults*.

        A header replaces the default one of its name; a body brings its own model.
        """
        mine = {name for name, _ in self.headers}
        others = [each for each in defaults.headers if each[0] not in mine]
        brings_body, brings_model = self.body is not None, self.model is not None
        return replace(
            self,
            route=_first(self.route, defaults.route),
            model=self.model if brings_body else _first(self.model, defaults.model),
            deployment=_first(self.deployment, defaults.deployment),
            key=_first(self.key, defaults.key),
            team=_first(self.team, defaults.team),
            user=_first(self.user, defaults.user),
            tags=_first(self.tags, defaults.tags),
            client_ip=_first(self.client_ip, defaults.client_ip),
            stream=self.stream if brings_body else _first(self.stream, defaults.stream),
            payer=_first(self.payer, defaults.payer),
            headers=(*others, *self.headers),
            body=self.body if brings_model else _first(self.body, defaults.body),
            deployment_at=self.deployment_at
            if self.deployment is not None
            else defaults.deployment_at,
        )


_T = TypeVar("_T")


def _first(one: _T | None, other: _T | None) -> _T | None:
    return other if one is None else one


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderExpected:
    """What is expected of one header of the request; an empty word asks nothing."""

    name: str
    verdict: str = ""
    by: str = ""
    sent_as: str = ""
    cls: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowExpected:
    """What rules in shadow are expected to change in one slot."""

    slot: str
    would: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """
    What is expected of a request; what is not said is not asked.

    `shadow` is None where nothing is asked about it, and empty where nothing may
    be in shadow.
    """

    verdict: str = ""
    status: int = 0
    code: str = ""
    rule: str = ""
    headers: tuple[HeaderExpected, ...] = ()
    source: str = ""
    payer: str = ""
    sends: tuple[str, ...] = ()
    never_sends: tuple[str, ...] = ()
    never_sends_class: tuple[Glob, ...] = ()
    never_to_untrusted: bool = False
    shadow: tuple[ShadowExpected, ...] | None = None
    # Of an answer: what goes back as it came, what does not, what is put in.
    kept: tuple[str, ...] = ()
    stripped: tuple[str, ...] = ()
    added: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    One test: a request, or for `every` all that its wide words stand for.

    With `direction` response it is about the answer to one.
    """

    name: str
    where: Where
    given: Given
    expected: Expected
    every: bool = False
    defaults: Given = Given()
    direction: Direction = Direction.REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One document of tests; `config` is the configuration it names, or empty."""

    file: str
    config: str
    cases: tuple[Case, ...]
