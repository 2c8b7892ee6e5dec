"""What goes in comes back, equal type for type, or is refused at once with the path of the culprit."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import json
import math
import os
import re
import subprocess
import sys
import uuid
import zlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NamedTuple, NewType, NoReturn, TypeVar, Union
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    SecretStr,
    TypeAdapter,
    computed_field,
    field_serializer,
)
from typing_extensions import TypedDict, Unpack

from holdfast import codec
from holdfast.codec import (
    MAX_VALUE,
    AesGcm,
    Failed,
    canonical,
    describe_arguments,
    failure_of,
    fingerprint,
    hash64,
    hints_of,
    pack,
    pack_arguments,
    pack_failure,
    rebuild,
    shape_of,
    type_name,
    unpack,
    unpack_arguments,
    use_cipher,
)
from holdfast.errors import BadOption, NotStorable, StoreUnusable, TooLarge, UsageError

if TYPE_CHECKING:
    from nowhere import Invisible  # type: ignore[import-not-found]

T = TypeVar("T")
PARIS = ZoneInfo("Europe/Paris")
CaseId = NewType("CaseId", str)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Animal(BaseModel):
    name: str


class Dog(Animal):
    tricks: list[str] = []


class Cat(Animal):
    lives: int = 9


class Item(BaseModel):
    price: float = 0.0
    raw: bytes = b""


class Claim(BaseModel):
    id: str
    items: list[Item] = []
    extra: Any = None


class Aliased(BaseModel):
    amount: int = Field(validation_alias=AliasChoices("amt", "AMOUNT"), serialization_alias="Amount")
    note: str = Field(default="", alias="theNote")


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Options(TypedDict, total=False):
    color: Color
    size: int


@dataclasses.dataclass
class Plan:
    amount: Decimal
    blob: bytes = b""
    at: datetime | None = None


@dataclasses.dataclass
class BiggerPlan(Plan):
    more: int = 0


class Box(BaseModel, Generic[T]):
    content: T


class Node(BaseModel):
    value: float
    children: list[Node] = []


class Numbers(RootModel[list[int]]):
    pass


class Patchy(BaseModel):
    model_config = ConfigDict(extra="forbid")
    width: int

    @computed_field  # type: ignore[prop-decorator]  # mypy cannot see through it
    @property
    def area(self) -> int:
        return self.width**2


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Whole(BaseModel):
    value: int = Field(default=0, exclude=True)


class Careless(BaseModel):
    secret: str = Field(exclude=True)


class Hidden(BaseModel):
    _seen: list[int] = PrivateAttr(default_factory=list)


class Rounded(BaseModel):
    x: float

    @field_serializer("x")
    def _round(self, x: float) -> float:
        return round(x, 1)


class Deferred(BaseModel):
    model_config = ConfigDict(defer_build=True)
    x: float


class Hexed(BaseModel):
    model_config = ConfigDict(ser_json_bytes="hex", ser_json_timedelta="float", ser_json_inf_nan="null")
    raw: bytes
    took: timedelta


SURVIVORS: list[tuple[Any, Any]] = [
    (None, None),
    (str, "plain"),
    (str, "nul \x00 and \U0001f600"),
    (int, 2**200),
    (int, 10**4000),
    (bool, True),
    (float, math.inf),
    (float, -0.0),
    (bytes, b"\xff\x00\xfe"),
    (Decimal, Decimal("1.00")),
    (datetime, datetime(2026, 11, 23, 4, 5, 6, 789)),
    (datetime, datetime(2026, 11, 23, tzinfo=UTC)),
    (datetime, datetime(2026, 11, 23, tzinfo=PARIS)),
    (datetime, datetime(2026, 10, 25, 2, 30, tzinfo=PARIS, fold=1)),
    (date, date(2026, 11, 23)),
    (time, time(1, 2, 3, 4)),
    (timedelta, timedelta(days=-3, microseconds=1)),
    (uuid.UUID, uuid.UUID(int=5)),
    (Path, Path("a/b")),
    (re.Pattern, re.compile("a+")),
    (Color, Color.RED),
    (Level, Level.LOW),
    (Literal["a", 1], 1),
    (CaseId, CaseId("c-1")),
    (int | None, None),
    (Union[int, str], "5"),  # noqa: UP007  # the older spelling, too
    (int | str, 5),
    (str | uuid.UUID, "word"),
    (list[int | float | bool], [1, 1.0, True]),
    (set[str], {"a", "b"}),
    (frozenset[frozenset[int]], frozenset({frozenset({1, 2})})),
    (tuple[int, ...], (1, 2)),
    (tuple[int, str], (1, "a")),
    (Sequence[int], [1, 2]),
    (Iterable[int], [1, 2]),
    (Mapping[str, int], {"a": 1}),
    (OrderedDict[str, int], OrderedDict(b=1, a=2)),
    (deque[int], deque([1, 2])),
    (dict[int, str], {1: "a"}),
    (dict[float, int], {math.inf: 1, 1.5: 2}),
    (dict[date, int], {date(2026, 1, 1): 1}),
    (dict[uuid.UUID, Color], {uuid.UUID(int=1): Color.BLUE}),
    (dict[Color, int], {Color.RED: 1}),
    (Point, Point(1, 2.5)),
    (Options, {"color": Color.RED}),
    (Plan, Plan(Decimal("9.90"), b"\xff", datetime(2026, 1, 1, tzinfo=PARIS))),
    (list[Plan | BiggerPlan], [BiggerPlan(Decimal(1), more=2)]),
    (Claim, Claim(id="c", items=[Item(price=2.5, raw=b"\xff\x80")], extra={"a": [1, None, "x"]})),
    (Aliased, Aliased.model_validate({"amt": 5, "theNote": "hm"})),
    (list[Aliased], [Aliased(AMOUNT=7)]),  # type: ignore[call-arg]  # an alias
    (Dog | Cat, Cat(name="Tom")),
    (Box[Box[int]], Box[Box[int]](content=Box[int](content=1))),
    (Node, Node(value=1.0, children=[Node(value=math.inf)])),
    (Numbers, Numbers([1, 2])),
    (Patchy, Patchy(width=3)),
    (Open, Open(a=1, b=[True])),  # type: ignore[call-arg]  # extra
    (Whole, Whole()),
    (Hidden, Hidden()),
    (Deferred, Deferred(x=-math.inf)),
    (Hexed, Hexed(raw=b"\xff", took=timedelta(microseconds=1))),
    (Annotated[list[int], Field(max_length=3)], [1]),
    (Annotated[int, ["unhashable"]], 1),
    (Any, {"a": [1, 2.5, True, None, "x", {"b": []}]}),
    (object, [1, "a"]),
    (T, {"a": 1}),
]


def refusal_of(annotation: Any, value: Any) -> str:
    with pytest.raises(NotStorable) as caught:
        shape_of(annotation).settle(value)
    return str(caught.value)


# ---------------------------------------------------------------------------------------------------- what survives


@pytest.mark.parametrize(("annotation", "value"), SURVIVORS, ids=range(len(SURVIVORS)))
def test_a_value_comes_back_equal_and_of_its_own_type(annotation: Any, value: Any) -> None:
    data, decoded = shape_of(annotation).settle(value)
    assert decoded == value or value.replace(tzinfo=None) == decoded.replace(tzinfo=None)
    assert type(decoded) is type(value)
    assert shape_of(annotation).encode(decoded) == data


@pytest.mark.parametrize("annotation", [float, Any, object, float | None, list[float]])
def test_nan_comes_back_as_nan(annotation: Any) -> None:
    value: Any = [math.nan] if annotation == list[float] else math.nan
    decoded = shape_of(annotation).settle(value)[1]
    assert math.isnan(decoded[0] if isinstance(decoded, list) else decoded)


def test_nan_and_bytes_survive_in_models_and_dataclasses_whose_config_would_lose_them() -> None:
    claim = Claim(id="c", items=[Item(price=math.nan, raw=b"\xff")], extra=math.inf)
    decoded = shape_of(Claim).settle(claim)[1]
    assert math.isnan(decoded.items[0].price)
    assert decoded.items[0].raw == b"\xff"
    assert decoded.extra == math.inf
    nodes = shape_of(list[Node]).settle([Node(value=0, children=[Node(value=math.nan)])])[1]
    assert math.isnan(nodes[0].children[0].value)


def test_the_users_own_json_of_a_class_is_not_touched() -> None:
    shape_of(Item)
    assert Item(price=math.nan).model_dump_json() == '{"price":null,"raw":""}'
    assert TypeAdapter(Iterable[int]).validate_python([1]) != [1]


def test_a_zoned_time_comes_back_at_the_same_instant_and_offset() -> None:
    twice = datetime(2026, 10, 25, 2, 30, tzinfo=PARIS, fold=1)
    decoded = shape_of(datetime).settle(twice)[1]
    assert decoded.timestamp() == twice.timestamp()
    assert decoded.utcoffset() == timedelta(hours=1)


def test_an_int_is_welcome_where_a_float_is_declared_and_becomes_one() -> None:
    data, decoded = shape_of(float).settle(90)
    assert (data, decoded, type(decoded)) == (b"90.0", 90.0, float)
    assert "comes back" in refusal_of(float, 2**60 + 1)


def test_private_attributes_and_identity_only_objects_are_compared_by_what_they_hold() -> None:
    hidden = Hidden()
    hidden._seen.append(1)
    assert "_seen" in refusal_of(Hidden, hidden)


decimals = st.decimals(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_every_json_value_survives_without_an_annotation(value: Any) -> None:
    data, decoded = shape_of(Any).settle(value)
    assert repr(decoded) == repr(value)
    assert shape_of(Any).decode(data) is not value or not isinstance(value, list)


@given(st.builds(Plan, decimals, st.binary(), st.none() | st.datetimes()))
def test_every_dataclass_survives(plan: Plan) -> None:
    assert shape_of(Plan).settle(plan)[1] == plan


@given(st.lists(st.one_of(st.integers(), st.text(), st.floats(), st.booleans(), st.none())))
def test_a_union_tells_its_members_apart(values: list[Any]) -> None:
    decoded = shape_of(list[int | str | float | bool | None]).settle(values)[1]
    assert list(map(type, decoded)) == list(map(type, values))


# ------------------------------------------------------------------------------------------------- what is refused


REFUSED: list[tuple[Any, Any, str, str]] = [
    (Any, (1, 2), "$:", "tuple"),
    (Any, {"a": [1, (2,)]}, "$.a[1]:", "tuple"),
    (Any, {"a": {1: "x"}}, "$.a[1]:", "dict[int"),
    (Any, {"two words": {1}}, '$["two words"]:', "set"),
    (Any, Animal(name="Rex"), "$:", "Animal"),
    (Any, {"at": datetime(2026, 1, 1)}, "$.at:", "datetime"),
    (Any, b"bytes", "$:", "bytes"),
    (Any, Level.LOW, "$:", "Level"),
    (Any, {"f": [len]}, "$.f[0]:", "builtin_function_or_method"),
    (Any, {"o": object()}, "$.o:", "object"),
    (Any, ["ok", "\ud800"], "$[1]:", "surrogate"),
    (Any, {"a": {"\ud800": 1}}, "$.a", "surrogate"),
    (str, "\udfff", "$:", "surrogate"),
    (Claim, Claim.model_construct(id="\ud800", items=[]), "$.id:", "surrogate"),
    (set[str], {"\ud800"}, "$[0]:", "surrogate"),
    (int, "5", "$:", "str comes back as int"),
    (int, "five", "$:", "valid integer"),
    (int, True, "$:", "bool"),
    (int, Level.LOW, "$:", "Level"),
    (str, 5, "$:", "valid string"),
    (str, None, "$:", "valid string"),
    (list[int], [1, 2, "3"], "$[2]:", "str comes back as int"),
    (list[int], (1, 2), "$:", "use a list"),
    (Sequence[int], (1, 2), "$:", "tuple[...]"),
    (Iterable[int], (n for n in [1]), "$:", "generator"),
    (dict[str, int], {"a": 1, "b": None}, "$.b:", "valid integer"),
    (dict[tuple[int, int], int], {(1, 2): 3}, "$", "array"),
    (dict[int, str], {True: "x"}, "$.True:", "valid integer"),
    (dict[int, str], {1.0: "x"}, "$[<float>]:", "float comes back as int"),
    (set[int], {True}, "$:", "bool comes back as int"),
    (Animal, Dog(name="Rex"), "$:", "annotate with the subclass or a union"),
    (list[Animal], [Animal(name="a"), Dog(name="b")], "$[1]:", "annotate with the subclass or a union"),
    (Plan, BiggerPlan(Decimal(1)), "$:", "annotate with the subclass or a union"),
    (Careless, Careless(secret="s"), "$.secret:", "exclude=True"),
    (Whole, Whole(value=1), "$.value:", "exclude=True"),
    (Rounded, Rounded(x=1.25), "$.x:", "different"),
    (Options, {"size": 1, "weight": 2}, "$.weight:", "lost"),
    (Claim, Claim(id="c", extra=(1,)), "$.extra:", "tuple"),
    (list[Item], [Item(), Item.model_construct(price="x")], "$[1].price:", "valid number"),
    (Point, Point(1, "y"), "$", "number"),  # type: ignore[arg-type]  # wrong on purpose
    (int | Literal["a"], "b", "$:", ""),
    (SecretStr, SecretStr("hunter2"), "$:", "different"),
    (int, 10**5000, "$:", ""),
]


@pytest.mark.parametrize(("annotation", "value", "path", "why"), REFUSED, ids=range(len(REFUSED)))
def test_a_value_that_would_change_is_refused_with_its_path(annotation: Any, value: Any, path: str, why: str) -> None:
    message = refusal_of(annotation, value)
    assert message.startswith(path)
    assert why in message


def test_a_refusal_never_shows_the_value() -> None:
    assert "hunter2" not in refusal_of(SecretStr, SecretStr("hunter2"))
    with pytest.raises(NotStorable) as caught:
        shape_of(int).settle("hunter2")
    assert "hunter2" not in failure_of(caught.value).traceback_text.replace('shape_of(int).settle("hunter2")', "")
    assert "hunter2" not in refusal_of(Any, {"k": ("hunter2",)})


def test_values_that_contain_themselves_or_nest_too_deeply_are_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert refusal_of(Any, loop).startswith("$")
    assert refusal_of(Any, deep).startswith("$")


def test_objects_that_misbehave_are_refused_and_do_no_harm() -> None:
    class Hostile:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no")

        __hash__ = None  # type: ignore[assignment]  # as any class with __eq__

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("no")

    assert "Hostile" in refusal_of(Any, [Hostile()])


def test_annotations_that_cannot_be_stored_are_refused_with_advice() -> None:
    class Client:
        pass

    with pytest.raises(NotStorable, match=r"Client.*cannot be stored.*pydantic model"):
        shape_of(Client)
    with pytest.raises(NotStorable, match="Undefined"):
        shape_of(list["Undefined"])  # type: ignore[name-defined]  # noqa: F821  the point


def test_decoding_what_does_not_fit_any_more_names_the_path() -> None:
    with pytest.raises(NotStorable, match=r"^\$\.items\[0\]\.price: "):
        shape_of(Claim).decode(b'{"id":"c","items":[{"price":"cheap"}]}')
    with pytest.raises(NotStorable, match=r"^\$: "):
        shape_of(int).decode(b"{")


# ------------------------------------------------------------------------------------------------------- the shape


def test_a_shape_is_made_once_per_annotation() -> None:
    assert shape_of(list[int]) is shape_of(list[int])
    assert shape_of(Claim) is shape_of(Claim)


def test_no_annotation_and_a_function_that_never_returns_admit_json_values() -> None:
    assert shape_of(inspect.Parameter.empty) is shape_of(NoReturn) is shape_of(Any)


def test_the_order_of_a_union_counts_though_python_calls_both_equal() -> None:
    first, second = shape_of(Animal | Box[str]), shape_of(Box[str] | Animal)
    assert first is not second


def test_sets_are_written_alike_under_every_hash_seed() -> None:
    code = (
        "from holdfast.codec import *; "
        "print(shape_of(set[str]).encode({'a','b','c','d'}), describe_arguments(print, ({'x','y','z'},), {}))"
    )
    source = str(Path(codec.__file__).parents[2])
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": source},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(outputs) == 1


def test_a_shape_gives_its_json_schema_by_field_name() -> None:
    schema = json.loads(shape_of(Aliased).schema())
    assert set(schema["properties"]) == {"amount", "note"}
    assert json.loads(shape_of(Iterable[int]).schema()) == {"type": "array", "items": {"type": "integer"}}


def test_an_annotation_without_json_schema_says_so() -> None:
    with pytest.raises(NotStorable, match="JSON Schema"):
        shape_of(Callable[[], int]).schema()


# ------------------------------------------------------------------------------------------------------- hints


def test_hints_give_declared_types_and_any_where_nothing_is_declared() -> None:
    def fn(a: int, b, *rest: str) -> list[Claim]: ...  # type: ignore[no-untyped-def, empty-body]  # the point

    hints = hints_of(fn)
    assert hints.returns == list[Claim]
    assert hints.parameters == {"a": int, "rest": str}
    assert hints.parameter("b") is Any
    assert hints_of(lambda: 1).returns is Any
    assert hints_of(len).returns is Any


def test_hints_see_through_coroutines_partials_methods_decorators_and_callable_objects() -> None:
    class Tool:
        async def __call__(self, claim: Claim) -> Plan: ...  # type: ignore[empty-body]

        def method(self) -> Color: ...  # type: ignore[empty-body]

    async def fetch(url: str, n: int) -> bytes: ...  # type: ignore[empty-body]

    def later() -> Awaitable[int]: ...  # type: ignore[empty-body]

    def task() -> Coroutine[Any, Any, str]: ...  # type: ignore[empty-body]

    @functools.wraps(fetch)
    def wrapper(*args: Any) -> Any: ...

    assert hints_of(fetch).returns is bytes
    assert hints_of(functools.partial(functools.partial(fetch, "u"), 1)).returns is bytes
    assert hints_of(Tool()).returns is Plan
    assert hints_of(Tool().method).returns is Color
    assert hints_of(wrapper).returns is bytes
    assert hints_of(later).returns is int
    assert hints_of(task).returns is str
    assert hints_of(Claim).returns is Claim
    assert hints_of(functools.partial(Tool())).parameter("claim") is Claim


def test_hints_find_local_classes_in_the_closure() -> None:
    class Local(BaseModel):
        x: int

    def fn() -> Local:
        return Local(x=1)

    assert hints_of(fn).returns is Local


def test_an_annotation_that_cannot_be_found_matters_only_when_it_is_needed() -> None:
    def fn(client: Invisible) -> int: ...  # type: ignore[empty-body]

    assert hints_of(fn).returns is int
    with pytest.raises(UsageError, match=r"fn: the annotation of 'client' names 'Invisible'"):
        hints_of(fn).parameter("client")


def test_an_unresolved_return_names_the_function_the_name_and_the_cure() -> None:
    def fetch_claim() -> Invisible: ...

    with pytest.raises(UsageError, match=r"fetch_claim.*'Invisible'.*\.using\(returns=T\)"):
        _ = hints_of(fetch_claim).returns


# ------------------------------------------------------------------------------------------------------- arguments


class Extra(TypedDict, total=False):
    color: Color
    tag: str


def positional(a: int, /, b: str = "b", *rest: float, key: bytes = b"", **more: Decimal) -> None: ...


def typed_kwargs(**options: Unpack[Extra]) -> None: ...


async def agent(ctx: object, claim: Claim, note: str = "") -> None: ...


class Service:
    def method(self, claim: Claim) -> None: ...


@pytest.mark.parametrize(
    ("fn", "args", "kwargs"),
    [
        (positional, (1,), {}),
        (positional, (1, "x", 2.5, 3.5), {"key": b"\xff", "extra": Decimal("1.0")}),
        (positional, (1,), {"b": "y", "a": Decimal(2)}),
        (typed_kwargs, (), {"color": Color.RED, "tag": "t"}),
        (Service().method, (Claim(id="c"),), {}),
        (functools.partial(positional, 1, key=b"k"), ("b",), {}),
        (functools.partial(positional, 1, b="set"), (), {"key": b"k"}),
    ],
)
def test_arguments_come_back_as_they_were_given(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    back_args, back_kwargs = unpack_arguments(fn, pack_arguments(fn, args, kwargs))
    signature = inspect.signature(fn)
    assert signature.bind(*back_args, **back_kwargs) == signature.bind(*args, **kwargs)


def test_what_the_runtime_injects_is_skipped_and_defaults_are_not_stored() -> None:
    data = pack_arguments(agent, (Claim(id="c"),), {}, skip=1)
    assert json.loads(data).keys() == {"claim"}
    assert unpack_arguments(agent, data, skip=1) == ((Claim(id="c"),), {})


def test_the_same_arguments_give_the_same_bytes_however_they_are_passed() -> None:
    def fn(a: dict[str, int], b: set[str]) -> None: ...

    first = pack_arguments(fn, ({"x": 1, "y": 2}, {"p", "q"}), {})
    second = pack_arguments(fn, (), {"b": {"q", "p"}, "a": {"y": 2, "x": 1}})
    assert first == second == b'{"a":{"x":1,"y":2},"b":["p","q"]}'


def test_an_argument_that_cannot_be_stored_is_named_with_its_path() -> None:
    broken = Claim.model_construct(id="c", items=[Item.model_construct(price="dear")])
    with pytest.raises(NotStorable, match=r"argument claim\.items\[0\]\.price: "):
        pack_arguments(agent, (broken,), {}, skip=1)
    with pytest.raises(NotStorable, match=r"positional, argument rest\[1\]: "):
        pack_arguments(positional, (1, "b", 1.0, "two"), {})
    with pytest.raises(NotStorable, match=r"argument more\.z: "):
        pack_arguments(positional, (1,), {"z": "zz"})


def test_an_argument_of_the_wrong_type_is_refused_and_an_int_for_a_float_is_not() -> None:
    def pay(claim_id: str, amount: float, count: int = 0) -> None: ...

    assert pack_arguments(pay, ("c", 90), {}) == pack_arguments(pay, ("c", 90.0), {})
    for wrong in [("c", "90"), (5, 90.0), ("c", 90.0, "1"), ("c", 90.0, True)]:
        with pytest.raises(NotStorable, match=r"argument (amount|claim_id|count): "):
            pack_arguments(pay, wrong, {})


def test_arguments_that_do_not_fit_the_signature_say_which() -> None:
    with pytest.raises(UsageError, match=r"agent.*claim"):
        pack_arguments(agent, (), {}, skip=1)


def test_stored_arguments_that_no_longer_fit_the_function_say_why() -> None:
    with pytest.raises(NotStorable, match="no parameter 'gone' any more"):
        unpack_arguments(agent, b'{"gone":1}', skip=1)
    with pytest.raises(NotStorable, match="claim"):
        unpack_arguments(agent, b"{}", skip=1)
    with pytest.raises(NotStorable, match=r"stored argument claim\.id"):
        unpack_arguments(agent, b'{"claim":{"id":3}}', skip=1)


def test_a_signature_will_do_in_place_of_a_function() -> None:
    signature = inspect.Signature([inspect.Parameter("n", inspect.Parameter.KEYWORD_ONLY, annotation=int)])
    assert unpack_arguments(signature, pack_arguments(signature, (), {"n": 1})) == ((), {"n": 1})


@given(st.integers(), st.text(), st.lists(st.floats(allow_nan=False)), st.dictionaries(st.just("u"), decimals))
def test_any_arguments_come_back(a: int, b: str, rest: list[float], more: dict[str, Decimal]) -> None:
    assert unpack_arguments(positional, pack_arguments(positional, (a, b, *rest), more)) == ((a, b, *rest), more)


# ------------------------------------------------------------------------------------------------------- describe


class Client:
    def __repr__(self) -> str:
        raise RuntimeError("never asked")


@dataclasses.dataclass
class Login:
    user: str
    password: str = dataclasses.field(repr=False)


def test_a_preview_shows_values_and_only_the_types_of_the_rest() -> None:
    def step(client: Client, claim: Claim, n: int) -> None: ...

    digest, preview = describe_arguments(step, (Client(), Claim(id="c")), {"n": 3})
    assert len(digest) == 16
    assert preview == '{"claim":{"extra":null,"id":"c","items":[]},"client":"<test_codec.Client>","n":3}'.replace(
        "test_codec.Client", type_name(Client)
    )


def test_two_clients_of_one_type_have_one_fingerprint_and_other_values_another() -> None:
    def step(*args: Any) -> None: ...

    def digest(*args: Any) -> bytes:
        return describe_arguments(step, args, {})[0]

    assert digest(Client(), len, open, lambda: 1) == digest(Client(), len, open, lambda: 2)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({1: "x", "k": {(1, 2): 3}}) == digest({"k": {(1, 2): 3}, 1: "x"})
    assert digest({(1, 2): 3}) != digest({(1, 2): 4})
    assert digest(b"a") != digest(b"b")
    assert digest(Color.RED) != digest(Color.BLUE)
    assert digest(Claim(id="a")) != digest(Claim(id="b"))
    assert digest(datetime(2026, 1, 1)) != digest(datetime(2026, 1, 2))
    assert digest(math.nan) == digest(math.nan)


def test_secrets_and_fields_hidden_from_repr_are_in_no_preview() -> None:
    preview = describe_arguments(lambda a, b: 1, (Login("ann", "hunter2"), SecretStr("hunter2")), {})[1]
    assert "hunter2" not in preview
    assert "ann" in preview


def test_describing_leaves_generators_unread() -> None:
    numbers = (n for n in [1, 2])
    assert describe_arguments(max, (numbers,), {})[1] == '{"args":["<generator>"]}'
    assert list(numbers) == [1, 2]


def test_describing_never_raises_nor_shows_an_address() -> None:
    class Hostile:
        @property
        def __dict__(self) -> Any:  # type: ignore[override]  # hostile
            raise RuntimeError("no")

    def fn(a: Invisible, b: Any = None) -> None: ...

    loop: dict[Any, Any] = {}
    loop["self"] = loop
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    for value in [loop, deep, Hostile(), {Hostile(): 1}, {frozenset({1}): object()}, "\ud800\x00", iter([])]:
        preview = describe_arguments(fn, (value,), {})[1]
        assert len(preview) <= 200
        assert "0x" not in preview
        preview.encode()
    assert describe_arguments(fn, (10**5000,), {})[0] != describe_arguments(fn, (10**5001,), {})[0]
    assert describe_arguments(fn, (1, 2, 3, 4), {"zzz": 1})[1] == '{"args":[1,2,3,4],"zzz":1}'


@given(st.text(max_size=400))
def test_a_preview_is_short_and_can_be_stored_anywhere(text: str) -> None:
    preview = describe_arguments(lambda a: 1, (text + "\x00\ud800",), {})[1]
    assert len(preview) <= 200
    assert "\x00" not in preview
    preview.encode()


# ------------------------------------------------------------------------------------------------------- digests


@given(json_values)
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    def turned(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: turned(node[key]) for key in reversed(node)}
        return [turned(item) for item in node] if isinstance(node, list) else node

    assert canonical(turned(value)) == canonical(value)


def test_canonical_json_refuses_what_json_cannot_hold() -> None:
    for value in [object(), {"a": {1}}, "\ud800", {1: 1, "a": 2}]:
        with pytest.raises(NotStorable):
            canonical(value)


def test_digests_are_the_same_for_ever() -> None:
    assert fingerprint(b"holdfast").hex() == "97bd0ace51386240a72ffed7f5dde311"
    assert hash64("holdfast") == -8096687145121700771
    assert -(2**63) <= hash64("\ud800") < 2**63


# ------------------------------------------------------------------------------------------------------- envelope


@pytest.fixture
def no_cipher() -> Iterator[None]:
    yield
    use_cipher(None)


@given(st.binary(max_size=200) | st.binary(min_size=1, max_size=9).map(lambda part: part * 1000))
def test_packed_bytes_come_back(data: bytes) -> None:
    assert unpack(pack(data)) == data


def test_only_long_values_that_shrink_are_compressed() -> None:
    noise = os.urandom(10_000)
    assert len(pack(b"a" * 4096)) == 4097
    assert len(pack(b"a" * 4097)) < 200
    assert pack(noise) == b"\x00" + noise


def test_a_value_above_the_limit_is_refused_with_its_size() -> None:
    assert unpack(pack(bytes(MAX_VALUE))) == bytes(MAX_VALUE)
    with pytest.raises(TooLarge, match=r"16,777,217 bytes exceeds 16,777,216"):
        pack(bytes(MAX_VALUE + 1))


def test_damaged_or_foreign_bytes_say_so() -> None:
    packed = pack(b"a" * 10_000)
    for damaged in [b"", b"\x09abc", b"\x01abc", packed[:-3]]:
        with pytest.raises(StoreUnusable):
            unpack(damaged)


def test_a_bomb_does_not_go_off() -> None:
    with pytest.raises(TooLarge):
        unpack(b"\x01" + zlib.compress(bytes(MAX_VALUE * 4)))


@pytest.mark.usefixtures("no_cipher")
def test_sealed_values_open_with_old_keys_after_a_rotation() -> None:
    plain = pack(b"before")
    old, new = os.urandom(32), os.urandom(32)
    use_cipher(AesGcm({"old": old}, current="old"))
    sealed = pack(b"secret" * 2000)
    use_cipher(AesGcm({"old": old, "new": new}, current="new"))
    assert unpack(sealed) == b"secret" * 2000
    assert unpack(plain) == b"before"
    assert b"secret" not in pack(b"secret")
    assert b"new" in pack(b"secret")
    assert pack(b"secret") != pack(b"secret")
    assert len(sealed) < 300


@pytest.mark.usefixtures("no_cipher")
def test_sealed_values_without_their_key_say_what_is_missing() -> None:
    use_cipher(AesGcm({"k1": os.urandom(32)}, current="k1"))
    sealed = pack(b"secret")
    use_cipher(AesGcm({"k2": os.urandom(32)}, current="k2"))
    with pytest.raises(StoreUnusable, match="'k1'"):
        unpack(sealed)
    use_cipher(AesGcm({"k1": os.urandom(32)}, current="k1"))
    with pytest.raises(StoreUnusable, match="authentication"):
        unpack(sealed)
    use_cipher(None)
    with pytest.raises(StoreUnusable, match="no cipher is set"):
        unpack(sealed)


@pytest.mark.usefixtures("no_cipher")
def test_an_altered_sealed_value_is_refused_at_every_byte() -> None:
    use_cipher(AesGcm({"k": os.urandom(32)}, current="k"))
    sealed = pack(b"secret")
    for at in range(1, len(sealed)):
        with pytest.raises(StoreUnusable):
            unpack(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
        with pytest.raises(StoreUnusable):
            unpack(sealed[:at])


def test_bad_keys_are_refused_and_never_shown() -> None:
    with pytest.raises(BadOption, match="32"):
        AesGcm({"k": b"short"}, current="k")
    with pytest.raises(BadOption, match="'x'"):
        AesGcm({"k": bytes(32)}, current="x")
    assert "\\x00" not in repr(AesGcm({"k": bytes(32)}, current="k"))


# ------------------------------------------------------------------------------------------------------- failures


class PaymentError(Exception):
    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class CardDeclined(PaymentError):
    pass


class Formatted(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def raised(exc: BaseException) -> BaseException:
    try:
        raise exc
    except BaseException as caught:
        return caught


def test_a_failure_keeps_type_message_and_traceback() -> None:
    failed = failure_of(raised(CardDeclined("no funds")))
    assert failed.type_name == f"{__name__}.CardDeclined"
    assert failed.message == "no funds"
    assert "in raised" in failed.traceback_text
    assert failure_of(ValueError("x")).type_name == "ValueError"


ODD: list[BaseException] = [Unprintable(), ExceptionGroup("g", [OSError(2, "x")]), KeyboardInterrupt()]


@pytest.mark.parametrize("exc", [ValueError("a", 1, [True]), ValueError(object()), *ODD])
def test_a_failure_survives_packing(exc: BaseException) -> None:
    failed = failure_of(raised(exc))
    assert Failed.unpack(failed.pack()) == failed


def test_odd_exceptions_are_recorded_nevertheless() -> None:
    class Odd(Exception):
        __notes__ = 5  # type: ignore[assignment]  # odd

        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("no")

    assert failure_of(Unprintable()).message.startswith("<")
    assert failure_of(Odd("x")).type_name.endswith("Odd")
    text = failure_of(ValueError("nul \x00 and \ud800")).message
    assert text == "nul \\x00 and \\ud800"


def test_long_messages_and_tracebacks_are_cut() -> None:
    failed = failure_of(raised(ValueError("\x00" * 100_000)))
    assert len(failed.message) <= 8192
    assert len(failed.traceback_text) <= 8192
    assert len(failed.pack()) < 40_000


def test_listed_classes_and_their_subclasses_are_rebuilt_as_themselves() -> None:
    failed = Failed.unpack(failure_of(raised(CardDeclined("no funds", code=7))).pack())
    rebuilt = rebuild(failed, [PaymentError])
    assert type(rebuilt) is CardDeclined
    assert (rebuilt.args, rebuilt.code) == (("no funds",), 7)


def test_what_would_not_be_rebuilt_faithfully_is_not_rebuilt() -> None:
    assert rebuild(failure_of(Formatted(5)), [Formatted]) is None
    assert rebuild(failure_of(ValueError(object())), [ValueError]) is None
    assert rebuild(failure_of(ValueError((1,))), [ValueError]) is None
    assert rebuild(failure_of(FileNotFoundError(2, "no", "file")), [OSError]) is None
    assert rebuild(failure_of(CardDeclined("x")), [LookupError]) is None
    assert rebuild(failure_of(Unprintable()), []) is None


def test_a_failure_reported_from_outside_has_no_class() -> None:
    failed = Failed.unpack(pack_failure("Timeout", "nobody\x00 answered", "tb"))
    assert (failed.type_name, failed.message, failed.traceback_text) == ("Timeout", "nobody\\x00 answered", "tb")
    assert rebuild(failed, [Exception]) is None


def test_bytes_that_are_no_failure_say_so() -> None:
    for data in [b"", b"[]", b"{}", b'{"args":null,"new":1}']:
        with pytest.raises(StoreUnusable):
            Failed.unpack(data)


def test_a_class_of_the_main_script_is_named_as_if_it_were_imported(tmp_path: Path) -> None:
    script = tmp_path / "claims.py"
    script.write_text("from holdfast.codec import type_name\nclass Odd(Exception): ...\nprint(type_name(Odd))\n")
    source = str(Path(codec.__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, str(script)], env=env, capture_output=True, check=True, text=True)
    assert done.stdout == "claims.Odd\n"
