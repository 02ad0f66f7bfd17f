"""Whether JSON is as its schema says. valid.py SCHEMA FILE...: prints what is not, and ends with status 1 then. With
--renamed it also renames each member of the first file in turn, and drops it, which the schema has to notice: names are a
promise. The schemas are in doc/."""
import json
import os
import sys

from jsonschema import Draft7Validator


def by(schema):
    """The validator of a schema by its name: report, diff, baseline."""
    path = os.path.join(os.path.dirname(__file__), "..", "..", "doc", f"weir-{schema}.schema.json")
    validator = Draft7Validator(json.load(open(path)))
    validator.check_schema(validator.schema)
    return validator


def wrong(validator, document):
    """The first thing that is not as it should be, or None."""
    error = next(validator.iter_errors(document), None)
    return error and f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"


def objects(value):
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from objects(part)


OPTIONAL = {"gate", "cores", "jit", "missing", "reason", "expires"}


def unnoticed(validator, document):
    """Members that could be renamed, or left out, without a word. Objects with the same members are looked at once."""
    known = set()
    for object in objects(document):
        if (names := tuple(object)) in known:
            continue
        known.add(names)
        for name in names:
            value = object.pop(name)
            dropped = validator.is_valid(document)
            object[name + "_"] = value
            renamed = validator.is_valid(document)
            del object[name + "_"]
            object[name] = value
            if renamed or (dropped and name not in OPTIONAL):
                yield name


def main(arguments):
    deep = "--renamed" in arguments
    schema, *files = [a for a in arguments if a != "--renamed"]
    validator, bad = by(schema), False
    for i, path in enumerate(files):
        document = json.load(open(path))
        found = [wrong(validator, document)] if not deep or i else [wrong(validator, document), *unnoticed(validator, document)]
        for word in filter(None, found):
            print(f"{path}: {word}")
            bad = True
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
