"""Validates a CycloneDX 1.6 document: sbom.py FILE. Needs the package jsonschema; exits with 1 and the
first errors if the document is not valid."""

import json
import pathlib
import sys

import jsonschema

SCHEMAS = pathlib.Path(__file__).parent / "data"


def schema(name):
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text())


def local(node):
    """The same without references to other files: the list of licences is put where it is wanted, and
    signatures within the document, of which there are none, are not looked at."""
    if isinstance(node, list):
        return [local(each) for each in node]
    if not isinstance(node, dict):
        return node
    target = node.get("$ref")
    if isinstance(target, str) and target.startswith("spdx"):
        return {"enum": schema("spdx")["enum"]}
    if isinstance(target, str) and target.startswith("jsf"):
        return {}
    return {key: local(value) for key, value in node.items()}


validator = jsonschema.Draft7Validator(local(schema("bom-1.6")))
errors = list(validator.iter_errors(json.loads(pathlib.Path(sys.argv[1]).read_text())))
for error in errors[:10]:
    print("/".join(map(str, error.absolute_path)), error.message[:300], file=sys.stderr)
sys.exit(bool(errors))
