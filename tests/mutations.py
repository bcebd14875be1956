"""Small mistakes in a module's source, one at a time: what mutants.py runs the tests on."""

import ast

OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
PAIRS = (
    "sign abs, max min, maximum minimum, exp expm1, log log1p, sqrt abs, mean sum, any all, "
    "argmax argmin, zeros_like ones_like, add subtract, logaddexp add, isfinite isnan, "
    "negative abs, nextafter copysign"
)
FUNCTIONS = {a: b for a, b in map(str.split, reversed(PAIRS.split(", ")))}
FUNCTIONS |= {b: a for a, b in map(str.split, reversed(PAIRS.split(", ")))} | FUNCTIONS
NOT_MUTATED = ("main", "plot_", "print_", "check_file", "__repr__")


def mutants(source, filename, module):
    """Return the mutants of a module: {what it changes where: its code}."""
    tree, made = ast.parse(source, filename), {}
    for where, old, new, put in changes(tree, module):
        name = f"{where}: {words(old)} -> {words(new)}"
        number = 2
        while name in made:
            name = f"{name.split(' #')[0]} #{number}"
            number += 1
        put(new)
        made[name] = compile(ast.fix_missing_locations(tree), filename, "exec")
        put(old)
    return made


def words(node):
    """Return a node, or two statements, as one line of source."""
    nodes = node if isinstance(node, list) else [node]
    text = "; ".join(" ".join(ast.unparse(node).split()) for node in nodes)
    return text if len(text) < 70 else text[:66] + " ..."


def changes(node, where):
    """Yield the changes below a node: where, old, new, put. put(new) makes one, put(old) undoes."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        if isinstance(value, ast.AST):
            yield from at(value, where, lambda new, field=field: setattr(node, field, new))
        elif isinstance(value, list):
            for i, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from at(
                        item, where, lambda new, i=i, value=value: value.__setitem__(i, new)
                    )
            if isinstance(node, ast.For | ast.While) and field == "body":
                for i in range(len(value) - 1):
                    pair = slice(i, i + 2)

                    def put(new, value=value, pair=pair):
                        value[pair] = new

                    yield where, value[pair], value[pair][::-1], put


def at(node, where, put):
    """Yield the changes of a node itself, and of what stands below it."""
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
        return
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        if node.name.startswith(NOT_MUTATED):
            return
        where = f"{where}.{node.name}"
    for new in instead_of(node):
        yield where, node, new, put
    yield from changes(node, where)


def like(node, **fields):
    """Return a copy of a node with other fields."""
    return type(node)(**{name: getattr(node, name, None) for name in node._fields} | fields)


def instead_of(node):
    """Yield the mistakes that may stand in place of a node."""
    match node:
        case ast.BinOp() | ast.AugAssign():
            yield like(node, op=OPERATORS[type(node.op)]())
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div | ast.Pow):
                yield like(node, left=node.right, right=node.left)
            if isinstance(node, ast.AugAssign):
                yield ast.Pass()
        case ast.Compare(ops=[op, *rest]):
            yield from (like(node, ops=[new(), *rest]) for new in COMPARISONS[type(op)])
            if rest:
                yield like(node, ops=[op, *(COMPARISONS[type(o)][0]() for o in rest)])
        case ast.BoolOp():
            yield like(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int()):
            yield ast.Constant(0 if node.value == 1 else node.value + 1)
        case ast.Constant(value=float()):
            yield ast.Constant(2 * node.value or 1.0)
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.Attribute() if node.attr in FUNCTIONS:
            yield like(node, attr=FUNCTIONS[node.attr])
        case ast.Name() if node.id in ("min", "max", "any", "all", "abs"):
            yield ast.Name({"abs": "float"}.get(node.id) or FUNCTIONS[node.id], node.ctx)
        case ast.Call(args=[a, b]) if not isinstance(b, ast.Starred):
            yield like(node, args=[b, a])
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.If(body=[ast.Raise()]):
            yield ast.Pass()
        case ast.If():
            yield like(node, test=ast.Constant(True))
            yield like(node, test=ast.Constant(False))
