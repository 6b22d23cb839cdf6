"""
Small changes to a module, of the kind that a tired programmer makes.

What is for readers only (docstrings, annotations, the words of a message) is left
alone: a test of it would be a copy of it.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Arguments that hold words for people, or say that what cannot be is an error.
WORDS = frozenset({"why", "message", "because", "where", "strict"})

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_TWINS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
# Methods that a value may go without.
_DRESSING = frozenset({"strip", "lower", "removeprefix"})

Change = tuple[str, ast.AST]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One changed module: where it was changed, how, and its whole source."""

    file: str
    line: int
    code: str
    mutation: str
    source: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.mutation}   [{self.code}]"


def mutants(file: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of the module *source*, from its top to its end."""
    lines = source.splitlines()
    for place, node in enumerate(_nodes(ast.parse(source))):
        for at, (mutation, _) in enumerate(changes(node)):
            # A tree for each, since a change takes parts of it along.
            tree = ast.parse(source)
            target = _nodes(tree)[place]
            _, new = list(changes(target))[at]
            line = _line(node)
            yield Mutant(
                file=file,
                line=line,
                code=lines[line - 1].strip(),
                mutation=mutation,
                source=ast.unparse(
                    ast.fix_missing_locations(_Swap(target, new).visit(tree))
                ),
            )


class _Swap(ast.NodeTransformer):
    def __init__(self, target: ast.AST, new: ast.AST) -> None:
        self._target = target
        self._new = new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._target else self.generic_visit(node)


def _nodes(tree: ast.Module) -> list[ast.AST]:
    """Return the nodes worth a change, in the order of the text."""
    found: list[ast.AST] = []

    def walk(node: ast.AST) -> None:
        found.append(node)
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list", "type_params"}:
                continue
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, ast.AST) and not _is_for_readers(each):
                    walk(each)

    walk(tree)
    return found


def _is_for_readers(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(targets=[ast.Name(id="__slots__")]):
            return True
        case ast.keyword(arg=str(name)):
            return name in WORDS
        case ast.JoinedStr():
            return True
        case ast.Constant(value=str(text)):
            return " " in text
        case ast.Assign(value=ast.Subscript(value=ast.Name(id="Callable"))):
            return True
    return False


def changes(node: ast.AST) -> Iterator[Change]:
    """Yield what may become of *node*, each with a few words that say so."""
    change = _CHANGES.get(type(node))
    if change is not None:
        yield from change(node)


def _compare(node: ast.Compare) -> Iterator[Change]:
    for at, op in enumerate(node.ops):
        for new in _COMPARISONS[type(op)]:
            ops = [*node.ops[:at], new(), *node.ops[at + 1 :]]
            text = f"{type(op).__name__} -> {new.__name__}"
            yield text, ast.Compare(node.left, ops, node.comparators)


def _bool_op(node: ast.BoolOp) -> Iterator[Change]:
    new = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield f"-> {type(new).__name__.lower()}", ast.BoolOp(new, node.values)
    for at, value in enumerate(node.values):
        kept = [*node.values[:at], *node.values[at + 1 :]]
        left = kept[0] if len(kept) == 1 else ast.BoolOp(node.op, kept)
        yield f"without operand {_text(value)}", left


def _bin_op(node: ast.BinOp) -> Iterator[Change]:
    yield f"without {_text(node.right)}", node.left
    yield f"without {_text(node.left)}", node.right


def _unary_op(node: ast.UnaryOp) -> Iterator[Change]:
    if isinstance(node.op, ast.Not):
        yield "without not", node.operand


def _if(node: ast.If) -> Iterator[Change]:
    for outcome in (True, False):
        yield f"if {outcome}", ast.If(ast.Constant(outcome), node.body, node.orelse)


def _if_exp(node: ast.IfExp) -> Iterator[Change]:
    yield f"always {_text(node.body)}", node.body
    yield f"always {_text(node.orelse)}", node.orelse


def _comprehension(node: ast.comprehension) -> Iterator[Change]:
    for at, condition in enumerate(node.ifs):
        ifs = [*node.ifs[:at], *node.ifs[at + 1 :]]
        yield (
            f"without if {_text(condition)}",
            ast.comprehension(node.target, node.iter, ifs, node.is_async),
        )


def _members(node: ast.Set | ast.Tuple | ast.List) -> Iterator[Change]:
    if isinstance(node, ast.Set) or isinstance(node.ctx, ast.Load):
        for at, member in enumerate(node.elts):
            kept = [*node.elts[:at], *node.elts[at + 1 :]]
            # An empty set has no braces of its own.
            new = type(node) if kept or not isinstance(node, ast.Set) else ast.Tuple
            yield f"without member {_text(member)}", new(kept)


def _dict(node: ast.Dict) -> Iterator[Change]:
    for at, key in enumerate(node.keys):
        keys = [*node.keys[:at], *node.keys[at + 1 :]]
        values = [*node.values[:at], *node.values[at + 1 :]]
        yield f"without key {_text(key or node.values[at])}", ast.Dict(keys, values)


def _call(node: ast.Call) -> Iterator[Change]:
    for at, keyword in enumerate(node.keywords):
        if keyword.arg not in WORDS:
            kept = [*node.keywords[:at], *node.keywords[at + 1 :]]
            new = ast.Call(node.func, node.args, kept)
            yield f"without argument {keyword.arg}", new
    match node.func:
        case ast.Name(id=name) if name in _TWINS:
            # `list` takes no key.
            kept = [] if name == "sorted" else node.keywords
            twin = ast.Name(_TWINS[name], ast.Load())
            yield f"{name} -> {_TWINS[name]}", ast.Call(twin, node.args, kept)
        case ast.Attribute(value=value, attr=name) if name in _DRESSING:
            yield f"without .{name}()", value


def _constant(node: ast.Constant) -> Iterator[Change]:
    match node.value:
        case bool(value):
            yield f"{value} -> {not value}", ast.Constant(not value)
        case int(value):
            yield f"{value} -> {value + 1}", ast.Constant(value + 1)
        case str(value):
            yield f"{value!r} -> '~...'", ast.Constant("~" + value)
        case bytes(value):
            yield f"{value!r} -> b'~...'", ast.Constant(b"~" + value)


def _return(node: ast.Return) -> Iterator[Change]:
    # mypy sees a None where a bool was promised, and it is as false as False.
    if node.value is not None and not isinstance(node.value, ast.Constant):
        yield "return None", ast.Return(ast.Constant(None))


def _statement(node: ast.Expr | ast.AugAssign) -> Iterator[Change]:
    yield f"without {_text(node)}", ast.Pass()


def _continue(node: ast.Continue) -> Iterator[Change]:
    yield "continue -> pass", ast.Pass()
    yield "continue -> break", ast.Break()


def _slice(node: ast.Slice) -> Iterator[Change]:
    if node.lower is not None:
        yield f"without [{_text(node.lower)}:", ast.Slice(None, node.upper)
    if node.upper is not None:
        yield f"without :{_text(node.upper)}]", ast.Slice(node.lower, None)


def _line(node: ast.AST) -> int:
    # A comprehension has no line of its own, but its target has.
    place = node.target if isinstance(node, ast.comprehension) else node
    line: int = getattr(place, "lineno", 1)
    return line


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


_CHANGES: dict[type[ast.AST], Callable[..., Iterator[Change]]] = {
    ast.AugAssign: _statement,
    ast.BinOp: _bin_op,
    ast.BoolOp: _bool_op,
    ast.Call: _call,
    ast.Compare: _compare,
    ast.Constant: _constant,
    ast.Continue: _continue,
    ast.Dict: _dict,
    ast.Expr: _statement,
    ast.If: _if,
    ast.IfExp: _if_exp,
    ast.List: _members,
    ast.Return: _return,
    ast.Set: _members,
    ast.Slice: _slice,
    ast.Tuple: _members,
    ast.UnaryOp: _unary_op,
    ast.comprehension: _comprehension,
}
