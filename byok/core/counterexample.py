"""
A request written down so that `byok explain-request` takes it: two ways.

Credentials stand in it as placeholders, so it can be pasted into a ticket.
"""

from shlex import join

from byok.core.routes import MESSAGES
from byok.core.specimens import GATEWAY_KEY, GATEWAY_WORD
from byok.core.supposed import body_for
from byok.core.walk import Posed, Subject


def _fields(request: Posed) -> tuple[str, ...]:
    """Return each header as a line, with placeholders for credentials."""
    words = {each.token: each.word for each in request.fields if each.word}
    words[GATEWAY_KEY.encode()] = GATEWAY_WORD
    lines = []
    for name, value in request.headers:
        shown = value
        for token, word in words.items():
            shown = shown.replace(token, f"<{word}>".encode())
        lines.append(f"{name.decode('latin-1')}: {shown.decode('utf-8')}")
    return tuple(lines)


def _caller(request: Posed, subject: Subject) -> list[str]:
    """Return the options that say what no request says of itself."""
    context = request.context
    out: list[str] = []
    if not subject.single_user:
        out += ["--key", context.key]
    # What the record of the key says need not be said again.
    if request.place.record is None:
        out += ["--team", context.team] if context.team else []
        out += ["--user", context.user] if context.user else []
        for tag in sorted(context.tags):
            out += ["--tag", tag]
    out += ["--client-ip", context.client_ip] if context.client_ip else []
    found = subject.gateway.table.find(context.model)
    if found is not request.place.deployment:
        out += ["--deployment", request.place.deployment.name]
    return out


def command(request: Posed, subject: Subject, config: str, answer: bytes = b"") -> str:
    """
    Return the command that has *request* explained.

    With *answer*, what becomes of a field of that name in the answer, too.
    """
    context = request.context
    words = ["byok", "explain-request", "-c", config, *_caller(request, subject)]
    words += ["--model", context.model]
    if context.route != MESSAGES.id:
        words += ["--route", context.route]
    if context.stream:
        words.append("--stream")
    for line in _fields(request):
        words += ["-H", line]
    return join([*words, *_of_answer(answer)])


def _of_answer(answer: bytes) -> list[str]:
    return ["--answer-header", f"{answer.decode('latin-1')}: 1"] if answer else []


def command_with_file(
    request: Posed, subject: Subject, config: str, file: str, answer: bytes = b""
) -> str:
    """Return the command that has the request in *file* explained; see `command`."""
    words = ["byok", "explain-request", "-c", config, *_caller(request, subject)]
    return join([*words, "--request", file, *_of_answer(answer)])


def raw(request: Posed) -> str:
    """Return *request* as a raw HTTP file may hold it."""
    context = request.context
    body = body_for(context.model, stream=context.stream).decode()
    head = "\n".join((f"{context.method} {context.route} HTTP/1.1", *_fields(request)))
    return f"{head}\n\n{body}"
