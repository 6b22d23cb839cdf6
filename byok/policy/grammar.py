"""The match grammar: data into boxes (`Match`), problems into the reader."""

from dataclasses import replace
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network

from byok.policy import classes, slot
from byok.policy.match import Glob, HeaderMatch, HostGlob, Match, Tags
from byok.policy.reader import Path, Reader

_GLOB_KEYS = (
    "route",
    "method",
    "model",
    "model_group",
    "deployment",
    "provider",
    "team",
    "user",
    "key",
    "auth",
    "credential",
)
_MATCH_KEYS = (*_GLOB_KEYS, "host", "tags", "client_ip", "stream", "header")
_SOURCES = (*slot.SOURCES, slot.NONE)
_HEADER_KEYS = ("name", "class", "trust", "slot", "present")


def read_match(reader: Reader, value: object, path: Path) -> Match:
    data = reader.mapping(value, path, _MATCH_KEYS)

    def globs(key: str) -> tuple[Glob, ...]:
        return reader.globs(data[key], (*path, key)) if key in data else ()

    match = Match(
        route=globs("route"),
        method=tuple(Glob(each.text.upper()) for each in globs("method")),
        model=globs("model"),
        model_group=globs("model_group"),
        deployment=globs("deployment"),
        provider=globs("provider"),
        team=globs("team"),
        user=globs("user"),
        key=globs("key"),
        auth=tuple(Glob(each.text.lower()) for each in globs("auth")),
        credential=globs("credential"),
    )
    for glob in match.credential:
        if not any(glob.matches(source) for source in _SOURCES):
            reader.problem(
                "E105", (*path, "credential"), f"one of {', '.join(_SOURCES)} is needed"
            )
    if "host" in data:
        match = replace(match, host=_hosts(reader, data["host"], (*path, "host")))
    if "tags" in data:
        match = replace(match, tags=_tags(reader, data["tags"], (*path, "tags")))
    if "client_ip" in data:
        networks = _networks(reader, data["client_ip"], (*path, "client_ip"))
        match = replace(match, client_ip=networks)
    if "stream" in data:
        stream = reader.boolean(data["stream"], (*path, "stream"))
        match = replace(match, stream=stream)
    if "header" in data:
        header = _header_match(reader, data["header"], (*path, "header"))
        match = replace(match, header=header)
    return match


def _hosts(reader: Reader, value: object, path: Path) -> tuple[HostGlob, ...]:
    out = []
    for text in reader.texts(value, path):
        rest = text.removeprefix("*.")
        if "*" in rest or not rest:
            reader.problem(
                "E103", path, "a host is exact, or begins with *. for any label"
            )
        else:
            out.append(HostGlob(text.lower().rstrip(".")))
    return tuple(out)


def _tags(reader: Reader, value: object, path: Path) -> Tags:
    data = reader.mapping(value, path, ("any", "all", "none"))
    return Tags(
        **{
            key: frozenset(reader.texts(data[key], (*path, key)))
            for key in ("any", "all", "none")
            if key in data
        }
    )


def _networks(
    reader: Reader, value: object, path: Path
) -> tuple[IPv4Network | IPv6Network, ...]:
    out = []
    for text in reader.texts(value, path):
        try:
            out.append(ip_network(text))
        except ValueError:
            reader.problem(
                "E106", path, "an address range is needed, such as 10.0.0.0/8"
            )
    return tuple(out)


def _header_match(reader: Reader, value: object, path: Path) -> HeaderMatch:
    data = reader.mapping(value, path, _HEADER_KEYS)
    match = HeaderMatch()
    if "name" in data:
        globs = reader.globs(data["name"], (*path, "name"))
        match = replace(match, name=tuple(Glob(each.text.lower()) for each in globs))
    if "class" in data:
        globs = reader.globs(data["class"], (*path, "class"))
        for glob in globs:
            _known_class(reader, glob, (*path, "class"))
        match = replace(match, cls=globs)
    if "trust" in data:
        word = reader.one_of(data["trust"], (*path, "trust"), ("here", "elsewhere"))
        match = replace(match, here=word == "here" if word else None)
    if "slot" in data:
        word = reader.one_of(data["slot"], (*path, "slot"), ("own", "foreign"))
        match = replace(match, own=word == "own" if word else None)
    if "present" in data:
        present = reader.boolean(data["present"], (*path, "present"))
        match = replace(match, present=present)
    return match


def _known_class(reader: Reader, glob: Glob, path: Path) -> None:
    if any(glob.matches(cls) for cls in classes.CLASSES):
        return
    close = get_close_matches(glob.text, sorted(classes.CLASSES), n=1)
    reader.problem(
        "E107",
        path,
        "no header class fits this pattern",
        f"did you mean {close[0]}?" if close else "see the list of classes",
    )
