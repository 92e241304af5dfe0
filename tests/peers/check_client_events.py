"""Checks recorded client events, a JSON line each, against the types of OpenAI's own Python package.

Those types take unknown keys and unchecked values when they are built by the package itself, so each is
rebuilt here with unknown keys forbidden.

    check_client_events.py FILE...            fails if an event is wrong
    check_client_events.py --beta FILE...     the same with the types of the flat shape
    check_client_events.py --wrong FILE...    fails if an event is not: the check of this check
"""

import json
import sys
import typing
from collections import Counter

import pydantic
from openai._models import BaseModel as OpenAIModel
from openai.types import realtime
from openai.types.beta import realtime as beta

_strict: dict[type, type] = {}


def strict(annotation: typing.Any) -> typing.Any:
    """The same type, with every model in it closed to unknown keys."""
    if isinstance(annotation, type) and issubclass(annotation, OpenAIModel):
        return strict_model(annotation)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return strict(args[0])
    if origin is typing.Literal or not args:
        return annotation
    if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
        return typing.Union[tuple(strict(arg) for arg in args)]
    return origin[tuple(strict(arg) for arg in args)]


def strict_model(model: type[OpenAIModel]) -> type[pydantic.BaseModel]:
    if model not in _strict:
        fields = {}
        for name, field in model.model_fields.items():
            default = ... if field.is_required() else field.default
            fields[name] = (strict(field.annotation), pydantic.Field(default, alias=field.alias))
        config = pydantic.ConfigDict(extra="forbid", strict=True)
        _strict[model] = pydantic.create_model(model.__name__, __config__=config, **fields)
    return _strict[model]


def event_types(client_event: typing.Any) -> dict[str, pydantic.TypeAdapter]:
    union = typing.get_args(client_event)[0]
    models = typing.get_args(union)
    kind = lambda model: typing.get_args(model.model_fields["type"].annotation)[0]
    return {kind(model): pydantic.TypeAdapter(strict_model(model)) for model in models}


def problem(adapters: dict[str, pydantic.TypeAdapter], event: dict) -> str | None:
    kind = event.get("type")
    if kind not in adapters:
        return f"no such client event: {kind}"
    try:
        adapters[kind].validate_python(event)
    except pydantic.ValidationError as error:
        return str(error)
    return None


def main(args: list[str]) -> int:
    expect_wrong = args[:1] == ["--wrong"]
    flat = args[:1] == ["--beta"]
    adapters = event_types(beta.RealtimeClientEvent if flat else realtime.RealtimeClientEvent)
    seen: Counter[str] = Counter()
    failures = 0
    for path in args[expect_wrong or flat :]:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                event = json.loads(line)
                seen[event.get("type")] += 1
                found = problem(adapters, event)
                if (found is not None) != expect_wrong:
                    failures += 1
                    print(f"{path}:{number}: {found or 'not wrong'}", file=sys.stderr)
    verdict = "wrong as they should be" if expect_wrong else "right"
    total = sum(seen.values())
    print(f"{total - failures} of {total} client events are {verdict}: {dict(sorted(seen.items()))}")
    return 1 if failures or not seen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
