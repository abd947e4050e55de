"""Every JSON document on standard input against a schema: schema.py SCHEMA.  Prints how many there were."""
import json
import sys

import jsonschema

with open(sys.argv[1]) as file:
    schema = json.load(file)
jsonschema.Draft7Validator.check_schema(schema)
text, count = sys.stdin.read().strip(), 0
while text:
    document, end = json.JSONDecoder().raw_decode(text)
    jsonschema.Draft7Validator(schema).validate(document)
    text, count = text[end:].strip(), count + 1
print(count)
