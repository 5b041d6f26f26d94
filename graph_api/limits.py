"""Limits of a query, checked before it is validated or executed.

Of a document: its tokens. Of its operations: depth, aliases, fields that read rows, and *cost*, the
number of values that the answer can have. A fragment is measured once, so that measuring takes no
longer than reading the document. See docs/graphql.md.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLList,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    VariableNode,
    get_named_type,
    get_nullable_type,
)
from strawberry.extensions import SchemaExtension

from common.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from graph_api.errors import QueryInvalid, QueryTooComplex, QueryTooDeep, TooManyAliases
from graph_api.request import QueryRequest

MAX_TOKENS = 2_000
MAX_DEPTH = 12
MAX_INTROSPECTION_DEPTH = 16
"""The usual introspection query asks nine types deep what a type is made of."""
MAX_LEVELS = 64
"""Fields and fragments inside each other: measuring is recursive."""
MAX_ALIASES = 30
MAX_REPEATS = 30
"""Of one object's field under one name. Validation compares each with every other, and their
selections: four hundred would keep it busy for seconds."""
MAX_READS = 20
MAX_COST = 25_000
INTROSPECTION = {"__schema": 7, "__type": 1}
"""As many reads as it counts for: answering the whole schema takes as long as several lists."""
LIST_LENGTH = 5
"""Entries that a list without ``first`` is expected to have, such as a payment's refunds."""
COUNTED_TO = 10**9
"""Higher counts are not told apart: nested fragments double a count with each level."""

ScopesByField = Mapping[tuple[str, str], str]


class Size(NamedTuple):
    """What is measured of a part of a query. ``cost``: values that it can answer."""

    depth: int = 0
    aliases: int = 0
    reads: int = 0
    cost: int = 0

    def beside(self, other: "Size") -> "Size":
        """The size of two parts of one selection."""
        return Size(
            max(self.depth, other.depth),
            min(self.aliases + other.aliases, COUNTED_TO),
            min(self.reads + other.reads, COUNTED_TO),
            min(self.cost + other.cost, COUNTED_TO),
        )


class QueryLimits(SchemaExtension):
    """Refuse queries above the limits. Raises QueryTooDeep, TooManyAliases, QueryTooComplex."""

    def __init__(self, scopes: ScopesByField) -> None:
        self._scopes = scopes

    def on_operation(self) -> Iterator[None]:
        """Limit the parser, and measure before any other rule looks at the document."""
        context = self.execution_context
        context.parse_options["max_tokens"] = MAX_TOKENS
        variables, scopes, request = context.variables or {}, self._scopes, context.context

        class LimitRule(ValidationRule):
            def __init__(self, validation: ValidationContext) -> None:
                super().__init__(validation)
                _check_operations(validation, request)
                _check_sizes(validation, variables, scopes)

        context.validation_rules = (LimitRule, *context.validation_rules)
        yield


def _operations(validation: ValidationContext) -> list[OperationDefinitionNode]:
    definitions = validation.document.definitions
    return [each for each in definitions if isinstance(each, OperationDefinitionNode)]


def _check_operations(validation: ValidationContext, request: QueryRequest) -> None:
    """Raise QueryInvalid unless it is clear which operation is to be executed."""
    if request.operation_name is None and len(_operations(validation)) > 1:
        raise QueryInvalid("Name one of the query's operations in operationName.")


def _check_sizes(
    validation: ValidationContext, variables: Mapping[str, Any], scopes: ScopesByField
) -> None:
    measure = _Measure(validation.schema, validation.document.definitions, variables, scopes)
    for operation in _operations(validation):
        root = validation.schema.get_root_type(operation.operation)
        refuse_size(measure.selection(operation.selection_set, root))


def refuse_size(size: Size) -> None:
    """Raise QueryTooDeep, TooManyAliases or QueryTooComplex for a size above the limits."""
    if size.depth > MAX_DEPTH:
        raise QueryTooDeep(f"A query may be {MAX_DEPTH} levels deep.")
    if size.aliases > MAX_ALIASES:
        raise TooManyAliases(f"A query may have {MAX_ALIASES} aliases.")
    if size.reads > MAX_READS:
        raise QueryTooComplex(f"A query may have {MAX_READS} fields that read rows.")
    if size.cost > MAX_COST:
        raise QueryTooComplex(
            f"The answer could have {size.cost:,} values, and may have {MAX_COST:,}. Ask for fewer "
            "rows with `first`, or for fewer fields."
        )


class _Measure:
    """Measures the selections of one document. What the schema does not know counts nothing:
    validation refuses it."""

    def __init__(
        self,
        schema: GraphQLSchema,
        definitions: Any,
        variables: Mapping[str, Any],
        scopes: ScopesByField,
    ) -> None:
        self._schema, self._variables, self._scopes = schema, variables, scopes
        self._fragments = {
            each.name.value: each
            for each in definitions
            if isinstance(each, FragmentDefinitionNode)
        }
        self._fragment_sizes: dict[str, Size] = {}
        self._repeats: Counter[tuple[str, str]] = Counter()
        self._level = 0

    def selection(self, selections: SelectionSetNode | None, parent: Any) -> Size:
        """The size of a selection of fields. Raises QueryTooDeep."""
        size = Size()
        self._level += 1
        if self._level > MAX_LEVELS:
            raise QueryTooDeep(f"A query may be {MAX_DEPTH} levels deep.")
        for node in selections.selections if selections else ():
            size = size.beside(self._size_of(node, parent))
        self._level -= 1
        return size

    def _size_of(self, node: Any, parent: Any) -> Size:
        if isinstance(node, FieldNode):
            return self._field(node, parent)
        if isinstance(node, InlineFragmentNode):
            return self.selection(node.selection_set, self._condition(node, parent))
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value)
        return Size()

    def _fragment(self, name: str) -> Size:
        fragment = self._fragments.get(name)
        if fragment is None:
            return Size()
        if name not in self._fragment_sizes:
            self._fragment_sizes[name] = Size()  # a fragment that contains itself is refused later
            parent = self._condition(fragment, None)
            self._fragment_sizes[name] = self.selection(fragment.selection_set, parent)
        return self._fragment_sizes[name]

    def _condition(self, node: InlineFragmentNode | FragmentDefinitionNode, parent: Any) -> Any:
        condition = node.type_condition
        return self._schema.get_type(condition.name.value) if condition else parent

    def _field(self, node: FieldNode, parent: Any) -> Size:
        name = node.name.value
        definition = self._schema.get_field(parent, name) if parent else None
        field_type = definition.type if definition else None
        named = get_named_type(field_type) if field_type else None
        if node.selection_set is not None:
            self._count_repeat(node, parent)
        below = self.selection(node.selection_set, named)
        if name in INTROSPECTION and below.depth < MAX_INTROSPECTION_DEPTH:
            below = below._replace(depth=0, reads=INTROSPECTION[name])
        is_read = bool(parent) and (parent.name, name) in self._scopes
        return Size(
            depth=below.depth + 1,
            aliases=below.aliases + (node.alias is not None),
            reads=below.reads + is_read,
            cost=min(1 + below.cost * self._length(node, parent, field_type), COUNTED_TO),
        )

    def _count_repeat(self, node: FieldNode, parent: Any) -> None:
        shown_name = node.alias.value if node.alias else node.name.value
        key = (parent.name if parent else "", shown_name)
        self._repeats[key] += 1
        if self._repeats[key] > MAX_REPEATS:
            raise QueryTooComplex(f"A query may select one field {MAX_REPEATS} times.")

    def _length(self, node: FieldNode, parent: Any, field_type: Any) -> int:
        """How many objects the field is expected to answer."""
        if field_type is None or node.selection_set is None:
            return 1
        named = get_named_type(field_type)
        if named.name.endswith("Connection"):
            return self._first(node)
        is_list = isinstance(get_nullable_type(field_type), GraphQLList)
        return LIST_LENGTH if is_list and not parent.name.endswith("Connection") else 1

    def _first(self, node: FieldNode) -> int:
        argument = next((each for each in node.arguments or () if each.name.value == "first"), None)
        if argument is None:
            return DEFAULT_LIMIT
        if isinstance(argument.value, IntValueNode):
            return _in_page(int(argument.value.value[:4]))
        if isinstance(argument.value, VariableNode):
            value = self._variables.get(argument.value.name.value)
            return _in_page(value) if isinstance(value, int) else MAX_LIMIT
        return MAX_LIMIT


def _in_page(first: int) -> int:
    """A negative number of rows must not make up for the cost of other fields."""
    return min(max(first, 0), MAX_LIMIT)
